"""`ExactCookieJar`: values go out as they were given or set, whatever aiohttp would quote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import CookieError, Morsel

import aiohttp
import pytest
from yarl import URL

from nonebot_aiohttp.connections.cookies import (
    TAKES_ANY_NAME,
    ExactCookieJar,
    exact_cookie,
    given_cookies,
)
from tests.support import scripts
from tests.support.pools import opened
from tests.support.server import Script, ScriptedServer

pytestmark = pytest.mark.both_loops

VALUES = ["A-B/C+D==", '"A/B=="', "a b", 'q"q', "a,b", '{"x":[1]}', ""]

SETTABLE = ["A-B/C+D==", '"A/B=="', "x%2Fy", ""]
"""What aiohttp 3.10.4 reads as it stands in a `Set-Cookie`."""


def named(*pairs: tuple[str, str]) -> list[tuple[str, Morsel[str]]]:
    return [(name, exact_cookie(name, value, path="/")) for name, value in pairs]


def setting(cookie: str, to: str = "/home") -> Script:
    return scripts.status(302, b"", {"Set-Cookie": cookie, "Location": to})


@asynccontextmanager
async def lent() -> AsyncIterator[aiohttp.ClientSession]:
    async with opened() as pool:
        session = pool.lend()
        yield session
        await pool.take_back(session)


async def sent(session: aiohttp.ClientSession, *answers: Script) -> list[str | None]:
    """Request the answers one after the other, and return what cookies each request had."""
    async with ScriptedServer(*answers, scripts.status(200)) as server:
        await session.get(server.url)
        return [each.request.header("Cookie") for each in server.attempts]


@pytest.mark.parametrize("value", VALUES)
async def test_given_values_are_not_quoted(value: str) -> None:
    async with lent() as session:
        with given_cookies(named(("b", value)), URL("http://127.0.0.1/")):
            assert await sent(session) == [f"b={value}"]
        assert await sent(session) == [None]
        session.cookie_jar.update_cookies({"b": value})
        assert await sent(session) == [f"b={value}"]


@pytest.mark.parametrize("value", SETTABLE)
async def test_values_of_a_server_are_sent_back(value: str) -> None:
    async with opened() as pool:
        session = pool.lend()
        assert await sent(session, setting(f"b={value}; Path=/")) == [None, f"b={value}"]
        await pool.take_back(session)
        assert await sent(pool.lend()) == [None]
        await pool.take_back(session)


async def test_what_is_set_replaces_what_was_given() -> None:
    async with lent() as session:
        with given_cookies(named(("a", "old=="), ("b", "1")), URL("http://127.0.0.1/")):
            found = await sent(session, setting("a=new==; Path=/"))
        assert found == ["a=old==; b=1", "a=new==; b=1"]


async def test_given_cookies_stay_with_their_host() -> None:
    async with lent() as session, ScriptedServer(scripts.status(200)) as other:
        there = other.url.replace("127.0.0.1", "localhost")
        with given_cookies(named(("a", "1")), URL("http://127.0.0.1/")):
            assert await sent(session, setting("b=2; Path=/", there)) == ["a=1"]
        assert other.attempts[0].request.header("Cookie") is None


async def test_requests_at_once_have_their_own() -> None:
    async with lent() as session:

        async def one(value: str) -> list[str | None]:
            with given_cookies(named(("a", value)), URL("http://127.0.0.1/")):
                return await sent(session)

        found = await asyncio.gather(one("1=="), one("2=="))
        assert [*found[0], *found[1]] == ["a=1==", "a=2=="]


async def test_attributes_count() -> None:
    jar = ExactCookieJar()
    jar.update_cookies(
        {
            "far": exact_cookie("far", "1", path="/far"),
            "tls": exact_cookie("tls", "2", path="/", secure=True),
            "other": exact_cookie("other", "3", path="/", domain="other.example"),
            "here": exact_cookie("here", "4", path="/", domain=".a.example"),
        },
        URL("http://a.example/"),
    )
    assert sorted(jar.filter_cookies(URL("http://a.example/near"))) == ["here"]
    assert sorted(jar.filter_cookies(URL("https://b.a.example/far/x"))) == ["here"]
    assert sorted(jar.filter_cookies(URL("https://a.example/far"))) == ["far", "here", "tls"]


async def test_what_was_quoted_by_a_server_is_kept_quoted() -> None:
    quoted: Morsel[str] = Morsel()
    quoted.set("q", "A/B==", '"A/B=="')
    jar = ExactCookieJar()
    jar.update_cookies({"q": quoted}, URL("http://a.example/"))
    assert jar.filter_cookies(URL("http://a.example/"))["q"].coded_value == '"A/B=="'
    assert quoted.value == "A/B=="


@pytest.mark.parametrize("name", ["c[0]", "version", "path"])
async def test_odd_names(name: str) -> None:
    if not TAKES_ANY_NAME:
        with pytest.raises(CookieError):
            exact_cookie(name, "1==")
        return
    async with lent() as session:
        with given_cookies(named((name, "1==")), URL("http://127.0.0.1/")):
            assert await sent(session) == [f"{name}=1=="]


async def test_control_characters_are_not_sent() -> None:
    async with lent() as session:
        try:
            with given_cookies(named(("a", "1\r\nX-Evil: 1")), URL("http://127.0.0.1/")):
                async with ScriptedServer(scripts.status(200)) as server:
                    await session.get(server.url)
                    assert server.attempts[0].request.header("X-Evil") is None
        except (CookieError, ValueError):
            pass
