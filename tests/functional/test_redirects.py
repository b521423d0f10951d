"""Redirects of polls, handshakes and the shared sessions: what goes along, and to which target."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from nonebot_aiohttp import Driver
from nonebot_aiohttp.connections.locations import as_it_stands
from nonebot_aiohttp.connections.redirects import MAX_REDIRECTS
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, SECRET, WEBSOCKET, Way, clocked_driver, warnings
from tests.support.logs import Logs
from tests.support.pools import opened
from tests.support.server import Script, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Token": SECRET, "Cookie": f"session={SECRET}"}


def redirect(location: str, code: int = 302) -> Script:
    """Redirect each request."""
    return scripts.status(code, b"", {"Location": location})


def raw_redirect(location: str, code: int = 302) -> Script:
    """Redirect to what need not be a URL."""
    head = f"HTTP/1.1 {code} Moved\r\nLocation: {location}\r\nConnection: close\r\n"
    return scripts.raw(f"{head}Content-Length: 0\r\n\r\n".encode())


@pytest.fixture
def driver(fake_clock: FakeClock, adapter: Adapter, tls: Tls) -> Driver:
    """Give a driver that trusts the servers of this file."""
    return clocked_driver(fake_clock, adapter, ssl_cafile=tls.ca_file)


@asynccontextmanager
async def redirected(
    way: Way, driver: Driver, location: str, code: int = 307, **contexts: ssl.SSLContext
) -> AsyncIterator[tuple[ScriptedServer, ScriptedServer]]:
    """Redirect the bot; give the server of its setup, and the one of the port `{second}`."""
    async with ScriptedServer(way.good, ssl_context=contexts.get("second")) as second:
        answer = redirect(location.format(second=second.port), code)
        async with ScriptedServer(answer, way.good, ssl_context=contexts.get("first")) as first:
            body = {"body": b"secret body"} if way is POLLING else {}
            url = f"{way.url(first)}/start?token={SECRET}"
            way.add(driver, way.setup(url, headers=HEADERS, **body))
            async with driver.lifespan():
                yield first, second


@pytest.mark.parametrize("code", [307, 308])
@pytest.mark.parametrize("location", ["/to?sig=a%2Fb", "to?sig=a%2Fb"])
async def test_the_same_host_gets_all_again(
    way: Way, driver: Driver, adapter: Adapter, code: int, location: str
) -> None:
    async with redirected(way, driver, location, code) as (first, _):
        await eventually(lambda: adapter.messages)
        request = first.attempts[1].request
    assert request.target == "/to?sig=a%2Fb"
    assert all(request.header(name) == value for name, value in HEADERS.items())
    if way is POLLING:
        assert (request.method, request.body) == ("POST", b"secret body")


async def test_from_http_to_https_on_the_same_host_gets_all_again(
    way: Way, driver: Driver, adapter: Adapter, tls: Tls
) -> None:
    location = "https://127.0.0.1:{second}/to"
    async with redirected(way, driver, location, second=tls.server) as (_, second):
        await eventually(lambda: adapter.messages)
        assert second.attempts[0].request.header("X-Token") == SECRET


@pytest.mark.promise("forward: a redirect passes no secret on, and never makes a POST a GET")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["port", "host"])
async def test_another_origin_gets_nothing_of_the_setups(
    way: Way, driver: Driver, adapter: Adapter, host: str
) -> None:
    async with redirected(way, driver, f"http://{host}:{{second}}/to") as (_, second):
        await eventually(lambda: adapter.messages)
        request = second.attempts[0].request
    assert request.target == "/to"
    assert SECRET not in str(request.headers)
    assert request.body == b""


@pytest.mark.promise("forward: a redirect passes no secret on, and never makes a POST a GET")
async def test_never_from_tls_to_plain(
    way: Way, driver: Driver, tls: Tls, fake_clock: FakeClock, logs: Logs
) -> None:
    location = f"http://127.0.0.1:{{second}}/to?{SECRET}"
    async with redirected(way, driver, location, first=tls.server) as (_, second):
        await fake_clock.slept(1)
        assert not second.attempts
    (line,) = warnings(logs)
    where = f"http://127.0.0.1:{second.port}/to"
    assert f"307 redirected to {where}, from TLS to plain text" in line.replace("ws://", "http://")
    assert SECRET not in logs.output


@pytest.mark.promise("forward: a redirect passes no secret on, and never makes a POST a GET")
@pytest.mark.parametrize("code", [301, 302, 303])
async def test_a_post_never_becomes_a_get(
    driver: Driver, code: int, fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    script = redirect(f"/login?next={SECRET}", code)
    async with POLLING.running(driver, script, POLLING.good, body=b"body") as server:
        await fake_clock.slept(1)
    assert len(server.attempts) == 1
    (line,) = warnings(logs)
    where = f"http://127.0.0.1:{server.port}/login"
    assert f"{code} redirected to {where}, where a POST would be a GET" in line
    assert not adapter.messages
    assert SECRET not in logs.output


@pytest.mark.parametrize("code", [301, 302, 303])
async def test_a_get_is_followed(driver: Driver, code: int, adapter: Adapter) -> None:
    answers = redirect("/to", code), POLLING.good
    async with POLLING.running(driver, *answers, method="GET") as server:
        await eventually(lambda: adapter.messages)
    assert [each.request.target for each in server.attempts] == ["/", "/to"]


async def test_a_login_in_the_url_stays_with_its_host(driver: Driver, adapter: Adapter) -> None:
    async with ScriptedServer(WEBSOCKET.good) as second:
        to_second = redirect(f"http://127.0.0.1:{second.port}/to")
        async with ScriptedServer(redirect("/own"), to_second) as first:
            url = WEBSOCKET.url(first).replace("://", f"://me:{SECRET}@")
            WEBSOCKET.add(driver, WEBSOCKET.setup(url))
            async with driver.lifespan():
                await eventually(lambda: adapter.messages)
            logins = [each.request.header("Authorization") for each in first.attempts]
            assert logins[0] is not None
            assert logins[0] == logins[1]
            assert second.attempts[0].request.header("Authorization") is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (f"ftp://user:{SECRET}@127.0.0.1/", "ftp://127.0.0.1/, which is not a URL of HTTP"),
        ("http://[", "redirected to a Location that is not a valid URL"),
        (None, "redirected without a Location"),
        ("/again", f"more than {MAX_REDIRECTS} redirects"),
    ],
)
async def test_a_redirect_to_nowhere_is_a_failed_attempt(
    location: str | None, expected: str, way: Way, driver: Driver, fake_clock: FakeClock, logs: Logs
) -> None:
    headers = {"Location": location} if location else {}
    async with way.running(driver, scripts.status(307, b"", headers)) as server:
        await fake_clock.slept(1)
        assert len(server.attempts) == (1 + MAX_REDIRECTS if location == "/again" else 1)
        # No connection is left open by what was not followed.
        await eventually(lambda: all(each.ended for each in server.attempts))
    (line,) = warnings(logs)
    assert expected in line
    assert SECRET not in logs.output


async def test_what_has_no_form_on_the_wire_is_encoded(
    way: Way, driver: Driver, adapter: Adapter
) -> None:
    async with way.running(driver, raw_redirect("/a b/图", 307), way.good) as server:
        await eventually(lambda: adapter.messages)
    assert server.attempts[1].request.target == "/a%20b/%E5%9B%BE"


# Targets that the shared sessions follow


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/to?sig=a%2Fb%3d&x=%7E%e4", "/to?sig=a%2Fb%3d&x=%7E%e4"),
        ("/a%2Fb;c=1/%7E", "/a%2Fb;c=1/%7E"),
        ("/to?x=1 2&sig=a%2Fb", "/to?x=1%202&sig=a%2Fb"),
        ("/图?x=你&sig=a%2Fb#fragment", "/%E5%9B%BE?x=%E4%BD%A0&sig=a%2Fb"),
        ('/to?x=<">\\^`{|}100%', "/to?x=%3C%22%3E%5C%5E%60%7B%7C%7D100%"),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
async def test_as_it_stands(location: str, target: str, absolute: bool) -> None:
    async with opened() as pool:
        for session in (pool.get(), pool.get("1.0"), pool.lend()):
            async with ScriptedServer(scripts.status(200)) as other:
                start = other.url.rstrip("/") if absolute else ""
                async with ScriptedServer(
                    raw_redirect(start + location), scripts.status(200)
                ) as first:
                    await session.get(first.url)
                    server = other if absolute else first
                    assert server.attempts[-1].request.target == target
        await pool.take_back(session)


async def test_an_invalid_location_is_an_error_of_aiohttp() -> None:
    async with opened() as pool, ScriptedServer(raw_redirect("http://\u2100.example:1/")) as server:
        with pytest.raises(aiohttp.ClientError):
            await pool.get().get(server.url)


@pytest.mark.parametrize("text", ["http://a/b%2Fc?d=%2B&e=f+g", "http://[::1]:8080/", "http://a"])
def test_what_can_be_sent_is_left_alone(text: str) -> None:
    url = URL(text, encoded=True)
    assert as_it_stands(url) is url


def test_the_name_of_a_host_is_encoded() -> None:
    url = URL("http://u:p@中文.example:8080/a?b", encoded=True)
    assert str(as_it_stands(url)) == "http://u:p@xn--fiq228c.example:8080/a?b"
