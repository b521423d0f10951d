"""Proxies of requests and WebSockets of adapters, and redirects of their handshakes."""

from __future__ import annotations

from typing import Any

import pytest
from nonebot.drivers import Request

from tests.support.socks import NAME, SocksProxy
from tests.support.waiting import eventually, within

from ..support.recorder import Recorder

SECRET = "s3cr3t-T0ken"


def not_on_stock(test: Any) -> Any:
    """Mark a test that no stock driver passes."""
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


async def test_a_handshake_is_redirected_on_its_own_host(
    driver: Any, recorder: Recorder, echoing: str
) -> None:
    recorder.respond("/moved", ("Location", "/echo"), status=302)
    url = recorder.url("/moved", scheme="ws")
    async with driver.websocket(Request("GET", url, headers={"X-Token": SECRET})) as ws:
        await ws.send("hello")
        assert await within(ws.receive()) == "hello"
    assert recorder.last.header("x-token") == [SECRET]
