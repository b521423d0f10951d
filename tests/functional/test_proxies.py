"""Proxies of the environment, the setting and requests, HTTP and SOCKS, for everything outbound."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64decode
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp import Driver, options
from nonebot_aiohttp.connections import connector, resolver
from nonebot_aiohttp.connections.resolver import Addresses
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, SECRET, Way, clocked_driver
from tests.support.logs import Logs
from tests.support.pools import ask, opened
from tests.support.proxy import RecordingProxy
from tests.support.server import Connection, ScriptedServer
from tests.support.socks import NAME, PASSWORD, SocksProxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


def elsewhere(url: str) -> str:
    """Return the URL of a server under a name that is not loopback's."""
    return url.replace("127.0.0.1", NAME)


async def connect(way: Way, driver: Driver, url: str, adapter: Adapter) -> None:
    """Let an event arrive over a connection to the server."""
    way.add(driver, way.setup(url + "/path"))
    async with driver.lifespan():
        await eventually(lambda: adapter.messages)


# HTTP proxies


@pytest.mark.promise("forward: proxies of the environment and of the setting are honoured")
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("form", ["{}", "all", "without scheme"])
async def test_proxies_of_the_environment_are_honoured(
    way: Way,
    secure: bool,
    form: str,
    fake_clock: FakeClock,
    adapter: Adapter,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trap: `trust_env` is off by default, and `HTTPS_PROXY` ignored for `wss://`."""
    async with (
        RecordingProxy() as proxy,
        ScriptedServer(way.good, ssl_context=tls.server if secure else None) as server,
    ):
        own, other = ("HTTPS_PROXY", "HTTP_PROXY") if secure else ("HTTP_PROXY", "HTTPS_PROXY")
        monkeypatch.setenv("ALL_PROXY" if form == "all" else own, proxy.url)
        if form == "without scheme":
            monkeypatch.setenv(own, proxy.url.removeprefix("http://"))
        # The other one is not asked.
        monkeypatch.setenv(other, "http://127.0.0.1:1")
        driver = clocked_driver(fake_clock, adapter, ssl_cafile=tls.ca_file)
        await connect(way, driver, elsewhere(way.url(server)), adapter)
        target = f"{NAME}:{server.port}"
        expected = f"CONNECT {target} " if secure else _request_to(way, target)
        assert proxy.start_lines[0].startswith(expected)
        assert len(server.attempts) == 1


def _request_to(way: Way, target: str) -> str:
    return f"{'POST' if way is POLLING else 'GET'} {way.scheme}://{target}/path "


@pytest.mark.promise("forward: proxies of the environment and of the setting are honoured")
@pytest.mark.parametrize("exceptions", ["example.org,{host}", "{host}:{port}", "127.0.0.0/8"])
async def test_no_proxy_is_honoured(
    way: Way,
    exceptions: str,
    fake_clock: FakeClock,
    adapter: Adapter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trap: an explicit `proxy=` bypasses `NO_PROXY`."""
    async with (
        RecordingProxy() as proxy,
        ScriptedServer(way.good) as server,
        ScriptedServer(scripts.status(200, b"answer")) as api,
    ):
        monkeypatch.setattr("nonebot_aiohttp.connections.proxies.is_loopback", lambda _: False)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        for port in (server.port, api.port):
            named = exceptions.format(host="127.0.0.1", port=port)
            monkeypatch.setenv("NO_PROXY", f"{named},127.0.0.1:{server.port}")
        await connect(way, clocked_driver(fake_clock, adapter), way.url(server), adapter)
        async with opened() as pool:
            assert await ask(pool, api.url) == b"answer"
        assert not proxy.attempts


@pytest.mark.promise("forward: proxies of the environment and of the setting are honoured")
async def test_the_setting_overrides_the_environment(
    way: Way, fake_clock: FakeClock, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: proxy options silently ignored (nonebot2#2908)."""
    async with RecordingProxy() as proxy, ScriptedServer(way.good) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        driver = clocked_driver(fake_clock, adapter, proxy=proxy.url)
        await connect(way, driver, way.url(server), adapter)
        assert len(proxy.attempts) == 1


@pytest.mark.parametrize("source", ["environment", "setting", "request"])
@pytest.mark.parametrize("secure", [False, True])
async def test_api_calls_go_through_the_proxy_too(
    secure: bool, source: str, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        RecordingProxy() as proxy,
        ScriptedServer(
            scripts.status(200, b"answer"), ssl_context=tls.server if secure else None
        ) as server,
    ):
        settings: dict[str, Any] = {"ssl_cafile": tls.ca_file}
        arguments: dict[str, Any] = {}
        if source == "setting":
            settings["proxy"] = proxy.url
        elif source == "request":
            arguments["proxy"] = proxy.url
        else:
            monkeypatch.setenv("HTTPS_PROXY" if secure else "HTTP_PROXY", proxy.url)
        async with opened(**settings) as pool:
            assert await ask(pool, elsewhere(server.url), **arguments) == b"answer"
    assert len(proxy.attempts) == 1


async def test_a_proxy_that_refuses_is_an_outage_and_its_password_no_news(
    way: Way, fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    async with ScriptedServer(scripts.status(407)) as proxy, ScriptedServer(way.good) as server:
        url = proxy.url.replace("://", f"://user:{SECRET}@")
        driver = clocked_driver(fake_clock, adapter, proxy=url)
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await fake_clock.slept(1)
            await proxy.refuse()
            await fake_clock.advance_to_next()
            await fake_clock.slept(2)
        assert (proxy.attempts[0].request.header("Proxy-Authorization") or "").startswith("Basic ")
        assert not server.attempts
    assert len(logs.matching("of bot 1 (recorder): ", "WARNING")) == 2
    assert SECRET not in logs.output


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("source", ["environment", "setting", "request"])
async def test_a_password_is_not_part_of_an_error(
    secure: bool, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: aiohttp shows the URL of the proxy when it does not connect; adapters log that."""
    async with ScriptedServer(scripts.status(502)) as proxy:
        url = proxy.url.replace("://", f"://用户:{SECRET}@")
        settings = {"proxy": url} if source == "setting" else {}
        arguments: dict[str, Any] = {"proxy": url} if source == "request" else {}
        if source == "environment":
            monkeypatch.setenv("ALL_PROXY", url)
        async with opened(**settings) as pool:
            target = f"http{'s' if secure else ''}://{NAME}/"
            if secure:
                with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
                    await ask(pool, target, **arguments)
                assert SECRET not in str(caught.value) + repr(caught.value)
            else:
                await ask(pool, target, **arguments)
        sent = proxy.attempts[0].request.header("Proxy-Authorization") or ""
    # In UTF-8, as other clients have it.
    assert b64decode(sent.removeprefix("Basic ")).decode() == f"用户:{SECRET}"


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


# .netrc


@pytest.mark.promise("forward: .netrc is never read")
@pytest.mark.parametrize("proxied", [False, True])
async def test_the_passwords_of_netrc_are_never_read(
    proxied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: `trust_env=True` is proxies and `.netrc`."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        f"machine {NAME} login me password {SECRET}\nmachine 127.0.0.1 login me password {SECRET}\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with (
        RecordingProxy() as proxy,
        ScriptedServer(scripts.status(200, b"answer")) as server,
    ):
        if proxied:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
        url = elsewhere(server.url) if proxied else server.url
        async with opened() as pool:
            await ask(pool, url)
            # An Authorization of one's own and netrc's would be an error.
            await ask(pool, url, headers={"Authorization": "Bearer own"})
        sent = [attempt.request.header("Authorization") for attempt in server.attempts]
    assert sent == [None, "Bearer own"]


# SOCKS proxies


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
    assert logs.matching("of bot 1 (recorder): ClientProxyConnectionError", "WARNING")
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
