"""`Request.ping_interval` and `Timeout.ping`, which NoneBot has after 2.5.0."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from nonebot.drivers import Request
from nonebot.exception import WebSocketClosed
from nonebot.internal.driver import model

from tests.support.scripts import half_open
from tests.support.server import ScriptedServer
from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.inprocess import make_driver, started
from ..support.network import serving

pytestmark = [
    pytest.mark.needs_nonebot("2.4.3"),
    pytest.mark.stock_is_wrong("~aiohttp", "it waits as long as aiohttp does, and warns"),
]
if "ping_interval" not in inspect.signature(Request.__init__).parameters:
    pytestmark.append(pytest.mark.stock_is_wrong("httpx", "it has neither before NoneBot 2.5.1"))

SHORT, LONG = 0.2, 30.0


def handshake(url: str, interval: Any = None, **timeout: Any) -> Request:
    """Make a request as NoneBot's next version does, under any version."""
    request = Request("GET", url)
    if interval != "not said":
        request.ping_interval = interval  # type: ignore[attr-defined]
    if timeout:
        request.timeout = model.Timeout()
        for name, value in timeout.items():
            setattr(request.timeout, name, value)
    return request


@asynccontextmanager
async def slow_to_pong(seconds: float) -> AsyncIterator[str]:
    """Run a server that answers the first ping after a time, and then sends a text."""

    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.PING:
                await asyncio.sleep(seconds)
                with suppress(ConnectionError):
                    await ws.pong(message.data)
                    await ws.send_str("pinged")
        return ws

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as port:
        yield f"ws://127.0.0.1:{port}/"


@asynccontextmanager
async def unanswered(
    candidate: Candidate, setting: float, interval: Any, **timeout: Any
) -> AsyncIterator[Any]:
    """Connect a driver with a heartbeat to a server that never answers a ping."""
    driver = make_driver(candidate, aiohttp_heartbeat=setting)
    async with (
        started(driver),
        ScriptedServer(half_open()) as server,
        driver.websocket(handshake(server.ws_url, interval, **timeout)) as ws,
    ):
        yield ws


async def test_the_interval_goes_before_the_setting(client_driver: Candidate) -> None:
    async with unanswered(client_driver, LONG, SHORT, ping=SHORT) as ws:
        with pytest.raises(WebSocketClosed):
            await within(ws.receive())
        assert ws.closed


async def test_none_turns_pings_off(client_driver: Candidate) -> None:
    async with unanswered(client_driver, SHORT, None) as ws:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.receive(), 4 * SHORT)
        assert not ws.closed


@pytest.mark.stock_is_wrong("httpx", "its heartbeat cannot be set")
async def test_the_setting_counts_where_nothing_is_said(client_driver: Candidate) -> None:
    async with unanswered(client_driver, SHORT, "not said") as ws:
        with pytest.raises(WebSocketClosed):
            await within(ws.receive())


@pytest.mark.parametrize("limit", [LONG, None])
async def test_an_answer_may_take_longer_than_half_of_the_interval(
    driver: Any, limit: float | None
) -> None:
    async with (
        slow_to_pong(3 * SHORT) as url,
        driver.websocket(handshake(url, SHORT, ping=limit)) as ws,
    ):
        assert await within(ws.receive()) == "pinged"


async def test_an_answer_may_not_take_longer_than_its_limit(driver: Any) -> None:
    # By half of the interval alone the answer would be in time.
    request = partial(handshake, interval=2.0, ping=0.05)
    async with slow_to_pong(0.5) as url, driver.websocket(request(url)) as ws:
        with pytest.raises(WebSocketClosed):
            await within(ws.receive())


@pytest.mark.stock_is_wrong("httpx", "it goes on without one")
@pytest.mark.parametrize("interval", [0, -1, "often"])
async def test_an_invalid_interval(driver: Any, interval: Any) -> None:
    async with ScriptedServer(half_open()) as server:
        with pytest.raises(ValueError, match="heartbeat"):
            async with driver.websocket(handshake(server.ws_url, interval)):
                pass
