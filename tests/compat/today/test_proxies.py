"""Proxies of requests and WebSockets of adapters, and redirects of their handshakes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from nonebot.drivers import Request

from tests.support.socks import NAME, SocksProxy
from tests.support.waiting import eventually, within

from ..support.proxy import Proxy
from ..support.recorder import Recorder
from .conftest import PROXIES

SECRET = "s3cr3t-T0ken"


def not_on_stock(test: Any) -> Any:
    """Mark a test of what no stock driver does."""
    for part in ("httpx", "aiohttp"):
        test = pytest.mark.stock_is_wrong(part, "it knows no SOCKS without more packages")(test)
    return test


@not_on_stock
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("source", ["request", "environment"])
async def test_socks(
    driver: Any,
    recorder: Recorder,
    echoing: str,
    scheme: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with SocksProxy(password=True) as proxy:
        url = f"{scheme}://{proxy.login}"
        if source == "environment":
            monkeypatch.setenv("ALL_PROXY", url)
            # It is read when the session opens.
            driver._pool._proxies.forget_environment()
        named = url if source == "request" else None
        there = f"http://{NAME}:{recorder.port}/via"
        assert (await driver.request(Request("GET", there, proxy=named))).content == b"ok"
        async with driver.get_session() as session:
            await session.request(Request("GET", there, proxy=named))
        socket_url = echoing.replace("127.0.0.1", NAME)
        async with driver.websocket(Request("GET", socket_url, proxy=named)) as ws:
            await ws.send("through")
            assert await within(ws.receive()) == "through"
        await eventually(lambda: proxy.asked)
        assert set(proxy.asked) == {f"{NAME}:{recorder.port}"}


@not_on_stock
async def test_an_unusable_proxy_is_an_error_of_aiohttp(driver: Any, recorder: Recorder) -> None:
    for proxy in (f"socks5://user:{SECRET}@127.0.0.1:1", f"ftp://{SECRET}@127.0.0.1:1"):
        with pytest.raises(aiohttp.ClientError) as caught:
            await driver.request(Request("GET", recorder.url(), proxy=proxy))
        assert SECRET not in str(caught.value)
    assert not recorder.seen


@pytest.mark.stock_is_wrong("aiohttp", "it takes the proxy for no URL")
async def test_a_proxy_of_the_environment_without_scheme(
    driver: Any, recorder: Recorder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
    await driver.request(Request("GET", f"http://far.example:{recorder.port}/via"))
    assert len(proxy.asked) == 1


@pytest.mark.stock_is_wrong("aiohttp", "it does not know this one")
async def test_all_proxy(
    driver: Any, recorder: Recorder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", proxy.url)
    await driver.request(Request("GET", f"http://far.example:{recorder.port}/via"))
    assert len(proxy.asked) == 1


@pytest.mark.stock_is_wrong("aiohttp", "it ignores the port")
async def test_no_proxy_with_a_port(
    driver: Any, recorder: Recorder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", f"127.0.0.1:{recorder.port}")
    await driver.request(Request("GET", recorder.url("/direct")))
    assert not proxy.asked


@pytest.mark.stock_is_wrong("aiohttp", "it raises for ever where a proxy is named")
@pytest.mark.stock_is_wrong("httpx", "it sends the password of .netrc")
@pytest.mark.skipif(sys.platform == "win32", reason="the file has another name")
async def test_netrc_is_never_read(
    driver: Any, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    await driver.request(Request("GET", recorder.url()))
    assert recorder.last.header("authorization") == []
    headers = {"Authorization": "Bearer own"}
    await driver.request(Request("GET", recorder.url(), headers=headers))
    assert recorder.last.header("authorization") == ["Bearer own"]


async def test_a_handshake_is_redirected_on_its_own_host(
    driver: Any, recorder: Recorder, echoing: str
) -> None:
    @recorder.answer("/moved")
    async def answer(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/echo")

    url = recorder.url("/moved", scheme="ws")
    async with driver.websocket(Request("GET", url, headers={"X-Token": SECRET})) as ws:
        await ws.send("hello")
        assert await within(ws.receive()) == "hello"
    assert recorder.last.header("x-token") == [SECRET]


@pytest.mark.stock_is_wrong("httpx", "websockets sends all headers anywhere")
@pytest.mark.stock_is_wrong("aiohttp", "it sends all but Authorization anywhere")
async def test_a_handshake_takes_nothing_to_another_origin(
    driver: Any, recorder: Recorder, echoing: str
) -> None:
    @recorder.answer("/moved")
    async def answer(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(echoing.replace("ws://127.0.0.1", "http://localhost"))

    headers = {"X-Token": SECRET, "Authorization": SECRET, "Cookie": f"session={SECRET}"}
    url = recorder.url("/moved", scheme="ws")
    async with driver.websocket(Request("GET", url, headers=headers)) as ws:
        await ws.send("hello")
        assert await within(ws.receive()) == "hello"
    for name in headers:
        assert recorder.last.header(name) == []


def test_the_list_of_variables_is_whole() -> None:
    assert {"http_proxy", "https_proxy", "all_proxy", "no_proxy"} <= set(PROXIES)
