"""Redirects of polls and handshakes: followed with what a setup holds to its own host only."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.connections.redirects import MAX_REDIRECTS
from tests.support import scripts
from tests.support.bots import RecordingBot
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, SECRET, WEBSOCKET, Way, clocked_driver, warnings
from tests.support.logs import Logs
from tests.support.server import Script, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

Adapter = type[RecordingBot]

HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Token": SECRET, "Cookie": f"session={SECRET}"}


def redirect(location: str, code: int = 302) -> Script:
    """Redirect each request."""
    return scripts.status(code, b"", {"Location": location})


class Redirecting:
    """Connects a bot to a server that redirects it.

    Attributes:
        first: The server that the setup names.
        second: The other one.
    """

    def __init__(self, way: Way, driver: Driver, adapter: Adapter, stack: AsyncExitStack) -> None:
        self.way = way
        self.driver = driver
        self.adapter = adapter
        self.stack = stack

    async def start(
        self,
        location: str,
        code: int = 302,
        first: ssl.SSLContext | None = None,
        second: ssl.SSLContext | None = None,
        **setup: object,
    ) -> None:
        """Start all; `{second}` in the location is the other server's port."""
        self.second = await self.stack.enter_async_context(
            ScriptedServer(self.way.good, ssl_context=second)
        )
        location = location.format(second=self.second.port)
        self.first = await self.stack.enter_async_context(
            ScriptedServer(redirect(location, code), self.way.good, ssl_context=first)
        )
        made = self.way.setup(
            self.way.url(self.first) + "/start?token=" + SECRET,
            **{"headers": HEADERS, "body": b"secret body", **setup}
            if self.way is POLLING
            else {"headers": HEADERS},
        )
        self.way.add(self.driver, made)
        await self.stack.enter_async_context(self.driver.lifespan())


@pytest.fixture
async def redirecting(
    way: Way, fake_clock: FakeClock, adapter: Adapter, tls: Tls
) -> AsyncIterator[Redirecting]:
    """Give both ways to connect, to be redirected."""
    async with AsyncExitStack() as stack:
        driver = clocked_driver(fake_clock, adapter, ssl_cafile=tls.ca_file)
        yield Redirecting(way, driver, adapter, stack)


@pytest.mark.parametrize("code", [307, 308])
@pytest.mark.parametrize("location", ["/to?sig=a%2Fb", "to?sig=a%2Fb"])
async def test_the_same_host_gets_all_again(
    code: int, location: str, redirecting: Redirecting
) -> None:
    await redirecting.start(location, code)
    await eventually(lambda: redirecting.adapter.messages)
    request = redirecting.first.attempts[1].request
    assert request.target == "/to?sig=a%2Fb"
    assert all(request.header(name) == value for name, value in HEADERS.items())
    if redirecting.way is POLLING:
        assert (request.method, request.body) == ("POST", b"secret body")


async def test_from_http_to_https_on_the_same_host_gets_all_again(
    redirecting: Redirecting, tls: Tls
) -> None:
    await redirecting.start("https://127.0.0.1:{second}/to", 307, second=tls.server)
    await eventually(lambda: redirecting.adapter.messages)
    request = redirecting.second.attempts[0].request
    assert request.header("X-Token") == SECRET


@pytest.mark.promise("forward: a redirect passes no secret on, and never makes a POST a GET")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["port", "host"])
async def test_another_origin_gets_nothing_of_the_setups(
    host: str, redirecting: Redirecting
) -> None:
    await redirecting.start(f"http://{host}:{{second}}/to", 307)
    await eventually(lambda: redirecting.adapter.messages)
    request = redirecting.second.attempts[0].request
    assert request.target == "/to"
    assert SECRET not in str(request.headers)
    assert request.body == b""


@pytest.mark.promise("forward: a redirect passes no secret on, and never makes a POST a GET")
async def test_never_from_tls_to_plain(
    redirecting: Redirecting, tls: Tls, fake_clock: FakeClock, logs: Logs
) -> None:
    await redirecting.start(f"http://127.0.0.1:{{second}}/to?{SECRET}", 307, first=tls.server)
    await fake_clock.slept(1)
    assert not redirecting.second.attempts
    (line,) = warnings(logs)
    port = redirecting.second.port
    assert f"307 redirected to http://127.0.0.1:{port}/to, from TLS to plain text" in line.replace(
        "ws://", "http://"
    )
    assert SECRET not in logs.output


@pytest.mark.promise("forward: a redirect passes no secret on, and never makes a POST a GET")
@pytest.mark.parametrize("code", [301, 302, 303])
async def test_a_post_never_becomes_a_get(
    code: int, fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    async with ScriptedServer(redirect(f"/login?next={SECRET}", code), POLLING.good) as server:
        driver = clocked_driver(fake_clock, adapter)
        POLLING.add(driver, POLLING.setup(POLLING.url(server), body=b"body"))
        async with driver.lifespan():
            await fake_clock.slept(1)
        assert len(server.attempts) == 1
    (line,) = warnings(logs)
    where = f"http://127.0.0.1:{server.port}/login"
    assert f"{code} redirected to {where}, where a POST would be a GET" in line
    assert not adapter.messages
    assert SECRET not in logs.output


@pytest.mark.parametrize("code", [301, 302, 303])
async def test_a_get_is_followed(code: int, fake_clock: FakeClock, adapter: Adapter) -> None:
    async with ScriptedServer(redirect("/to", code), POLLING.good) as server:
        driver = clocked_driver(fake_clock, adapter)
        POLLING.add(driver, POLLING.setup(POLLING.url(server), method="GET"))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
        assert [each.request.target for each in server.attempts] == ["/", "/to"]


async def test_a_login_in_the_url_stays_with_its_host(
    fake_clock: FakeClock, adapter: Adapter
) -> None:
    async with ScriptedServer(WEBSOCKET.good) as second:
        to_second = redirect(f"http://127.0.0.1:{second.port}/to")
        async with ScriptedServer(redirect("/own"), to_second) as first:
            url = WEBSOCKET.url(first).replace("://", f"://me:{SECRET}@")
            driver = clocked_driver(fake_clock, adapter)
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
    location: str | None,
    expected: str,
    way: Way,
    fake_clock: FakeClock,
    adapter: Adapter,
    logs: Logs,
) -> None:
    headers = {"Location": location} if location else {}
    async with ScriptedServer(scripts.status(307, b"", headers)) as server:
        driver = clocked_driver(fake_clock, adapter)
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await fake_clock.slept(1)
        assert len(server.attempts) == (1 + MAX_REDIRECTS if location == "/again" else 1)
        # No connection is left open by what was not followed.
        await eventually(lambda: all(each.ended for each in server.attempts))
    (line,) = warnings(logs)
    assert expected in line
    assert SECRET not in logs.output


async def test_what_has_no_form_on_the_wire_is_encoded(
    way: Way, fake_clock: FakeClock, adapter: Adapter
) -> None:
    location = scripts.raw(
        "HTTP/1.1 307 Moved\r\nLocation: /a b/图\r\n"
        "Connection: close\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    async with ScriptedServer(location, way.good) as server:
        driver = clocked_driver(fake_clock, adapter)
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
        assert server.attempts[1].request.target == "/a%20b/%E5%9B%BE"
