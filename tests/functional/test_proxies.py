"""Proxies of the environment, the setting and requests, HTTP and SOCKS, for everything outbound."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, SECRET, Way, clocked_driver
from tests.support.logs import Logs
from tests.support.pools import ask, opened
from tests.support.proxied import connect, elsewhere
from tests.support.proxy import RecordingProxy
from tests.support.server import ScriptedServer
from tests.support.socks import NAME

pytestmark = pytest.mark.both_loops


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
    assert len(logs.matching(" of bot 1 of recorder ", "WARNING")) == 2
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
