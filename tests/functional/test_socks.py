"""Connections through SOCKS proxies, for events and calls."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp import options
from nonebot_aiohttp.connections import connector, resolver
from nonebot_aiohttp.connections.resolver import Addresses
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import SECRET, Way, clocked_driver
from tests.support.logs import Logs
from tests.support.pools import ask, opened
from tests.support.proxied import connect, elsewhere
from tests.support.server import Connection, ScriptedServer
from tests.support.socks import NAME, PASSWORD, SocksProxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


async def test_a_login_beside_a_socks_proxy_counts(recwarn: pytest.WarningsRecorder) -> None:
    login = aiohttp.BasicAuth("user", PASSWORD)
    async with (
        SocksProxy(password=True) as proxy,
        ScriptedServer(scripts.status(200, b"answer")) as server,
        opened() as pool,
    ):
        named = f"socks5://{proxy.address}"
        assert await ask(pool, server.url, proxy=named, proxy_auth=login) == b"answer"
    # aiohttp 3.14 calls it deprecated.
    recwarn.clear()


async def test_a_socks_proxy_has_a_name_and_all_of_its_addresses_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a container of a compose file has it; and localhost has two."""

    def look_up(host: str, family: int) -> Addresses:
        found = [("::1", 0, 0, 0), ("127.0.0.1", 0)] if host == "clash" else []
        kinds = socket.AF_INET6, socket.AF_INET
        return [
            (kind, socket.SOCK_STREAM, 6, "", each)
            for kind, each in zip(kinds, found, strict=bool(found))
        ]

    monkeypatch.setattr(resolver, "addresses_of", look_up)
    async with (
        SocksProxy() as proxy,
        ScriptedServer(scripts.status(200, b"answer")) as server,
        opened(proxy=f"socks5://clash:{proxy.port}") as pool,
    ):
        for _ in range(2):
            assert await ask(pool, server.url) == b"answer"
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(pool, server.url, proxy=f"socks5://unknown:{proxy.port}")


def test_the_extra_for_socks_is_installed_here() -> None:
    assert options.HAS_SOCKS


@pytest.mark.promise("forward: proxies of the environment and of the setting are honoured")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize(
    ("password", "secure"), [(False, False), (True, True)], ids=["open", "with a password, and TLS"]
)
async def test_events_and_calls_go_through_a_socks_proxy_that_resolves_the_names(
    way: Way,
    scheme: str,
    password: bool,
    secure: bool,
    fake_clock: FakeClock,
    adapter: Adapter,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = tls.server if secure else None
    async with (
        SocksProxy(password) as proxy,
        ScriptedServer(way.good, ssl_context=context) as server,
        ScriptedServer(scripts.status(200, b"answer"), ssl_context=context) as api,
    ):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy.login if password else proxy.address}")
        driver = clocked_driver(fake_clock, adapter, ssl_cafile=tls.ca_file)
        await connect(way, driver, elsewhere(way.url(server)), adapter)
        async with opened(ssl_cafile=tls.ca_file) as pool:
            assert await ask(pool, elsewhere(api.url)) == b"answer"
        await eventually(lambda: len(proxy.asked) == 2)
        assert proxy.asked == [f"{NAME}:{server.port}", f"{NAME}:{api.port}"]


@pytest.mark.parametrize("source", ["setting", "request"])
async def test_a_socks_proxy_that_is_named_counts_for_everything(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    async with (
        SocksProxy() as proxy,
        ScriptedServer(scripts.status(200, b"answer")) as server,
    ):
        url = f"socks5h://{proxy.address}"
        settings = {"proxy": url} if source == "setting" else {}
        arguments: dict[str, Any] = {"proxy": url} if source == "request" else {}
        async with opened(**settings) as pool:
            assert await ask(pool, server.url, **arguments) == b"answer"
            websocket = pool.get().ws_connect(server.url, **arguments)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await websocket
        await eventually(lambda: len(proxy.asked) == 2)


async def test_connections_through_a_socks_proxy_are_used_again_and_closed() -> None:
    async with SocksProxy() as proxy, ScriptedServer(keep_alive) as server:
        async with opened(proxy=f"socks5://{proxy.address}") as pool:
            for _ in range(3):
                assert await ask(pool, elsewhere(server.url)) == b"answer"
            assert len(server.attempts) == 1
        await eventually(lambda: server.attempts[0].ended)


async def keep_alive(connection: Connection) -> None:
    """Answer until the client leaves."""
    while True:
        await connection.read_request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")


@pytest.mark.parametrize(
    "fault", ["no proxy there", "wrong password", "refused", "no SOCKS", "TLS"]
)
async def test_what_goes_wrong_at_a_socks_proxy_is_an_error_of_aiohttp(
    fault: str, tls: Tls
) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(SocksProxy(fault == "wrong password"))
        server = await stack.enter_async_context(
            ScriptedServer(scripts.status(200), ssl_context=tls.untrusted_server)
        )
        plain = await stack.enter_async_context(ScriptedServer(scripts.status(400)))
        pool = await stack.enter_async_context(opened(ssl_cafile=tls.ca_file))
        way = {"no proxy there": "127.0.0.1:1", "no SOCKS": f"127.0.0.1:{plain.port}"}
        named = f"socks5://user:{SECRET}@{way.get(fault, proxy.address)}"
        url = server.url if fault == "TLS" else "http://127.0.0.1:1"
        with pytest.raises(aiohttp.ClientConnectionError) as caught:
            await ask(pool, url, proxy=named)
    is_certificate = isinstance(caught.value, aiohttp.ClientConnectorCertificateError)
    assert is_certificate == (fault == "TLS")
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert PASSWORD not in str(caught.value)


async def test_a_socks_proxy_that_does_not_answer_is_a_timeout() -> None:
    timeout = aiohttp.ClientTimeout(sock_connect=0.1)
    async with ScriptedServer(scripts.hang(read=False)) as proxy, opened() as pool:
        named = f"socks5://127.0.0.1:{proxy.port}"
        with pytest.raises(aiohttp.ServerTimeoutError):
            await ask(pool, "http://platform.test", proxy=named, timeout=timeout)


async def test_an_outage_of_a_socks_proxy_is_retried_and_its_password_no_news(
    way: Way, fake_clock: FakeClock, adapter: Adapter, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = SocksProxy(password=True)
    monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy.login}")
    async with ScriptedServer(way.good) as server:
        driver = clocked_driver(fake_clock, adapter)
        way.add(driver, way.setup(elsewhere(way.url(server))))
        async with driver.lifespan():
            await fake_clock.slept(1)
            async with proxy:
                await fake_clock.advance_to_next()
                await eventually(lambda: adapter.messages)
    assert logs.matching("of bot 1 of recorder failed: ClientProxyConnectionError", "WARNING")
    assert PASSWORD not in logs.output


@pytest.mark.promise("forward: a named proxy is used or is an error, and never bypassed")
@pytest.mark.parametrize("source", ["environment", "request"])
async def test_without_the_extra_there_is_a_clear_error_and_never_a_direct_connection(
    source: str,
    way: Way,
    fake_clock: FakeClock,
    adapter: Adapter,
    monkeypatch: pytest.MonkeyPatch,
    logs: Logs,
) -> None:
    monkeypatch.setattr(connector, "HAS_SOCKS", False)
    monkeypatch.setattr("nonebot_aiohttp.connections.proxies.is_loopback", lambda _: False)
    url = f"socks5://user:{SECRET}@127.0.0.1:1"
    async with ScriptedServer(way.good) as server:
        if source == "request":
            async with opened() as pool:
                with pytest.raises(aiohttp.ClientConnectionError, match=r"aiohttp\[socks\]"):
                    await ask(pool, server.url, proxy=url)
        else:
            monkeypatch.setenv("ALL_PROXY", url)
            driver = clocked_driver(fake_clock, adapter)
            way.add(driver, way.setup(way.url(server)))
            async with driver.lifespan():
                await fake_clock.slept(1)
            assert logs.matching("a SOCKS proxy needs the extra: pip install", "WARNING")
        assert not server.attempts
    assert SECRET not in logs.output


@pytest.mark.parametrize("proxy", [f"ftp://user:{SECRET}@proxy", f"//{SECRET}"])
async def test_an_invalid_proxy_of_a_request_is_an_error_that_does_not_show_it(proxy: str) -> None:
    async with opened() as pool:
        with pytest.raises(aiohttp.ClientError) as caught:
            await ask(pool, "http://127.0.0.1:1", proxy=proxy)
    assert SECRET not in str(caught.value)


async def test_pools_end_while_calls_wait_for_a_socks_proxy() -> None:
    async with ScriptedServer(scripts.hang(read=False)) as proxy:
        async with opened(proxy=f"socks5://127.0.0.1:{proxy.port}") as pool:
            call = asyncio.ensure_future(ask(pool, "http://platform.test"))
            await eventually(lambda: proxy.attempts)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
