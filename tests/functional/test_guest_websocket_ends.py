"""How a guest's WebSocket ends: by a failure, by the client, by the stop."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from starlette.websockets import WebSocket

from tests.support.guest_page import HANDSHAKE, OURS, Page, echo, serving
from tests.support.hosts import HOSTS
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops


@pytest.mark.parametrize("name", OURS)
async def test_a_failure_before_the_answer_is_a_500(name: str, logs: Logs) -> None:
    async def fail(ws: WebSocket) -> None:
        raise RuntimeError("this endpoint always fails")

    async with serving(Page(fail).app, name) as (_, _, client, url):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(url)
    assert refused.value.status == 500
    assert logs.matching("A WebSocket of the guest failed", "ERROR")


@pytest.mark.parametrize("name", OURS)
async def test_a_failure_afterwards_closes_with_1011(name: str, logs: Logs) -> None:
    async def fail(ws: WebSocket) -> None:
        await ws.accept()
        raise RuntimeError("this endpoint always fails")

    async with (
        serving(Page(fail).app, name) as (_, _, client, url),
        client.ws_connect(url) as ws,
    ):
        assert (await within(ws.receive())).data == 1011
    assert logs.matching("A WebSocket of the guest failed", "ERROR")


@pytest.mark.parametrize("name", HOSTS)
async def test_a_guest_that_ends_closes(name: str) -> None:
    async def leave(ws: WebSocket) -> None:
        await ws.accept()

    async with serving(Page(leave).app, name) as (_, _, client, url), client.ws_connect(url) as ws:
        message = await within(ws.receive())
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


@pytest.mark.parametrize("name", OURS)
async def test_the_stop_closes_with_1001(name: str, logs: Logs) -> None:
    page = Page(echo)
    async with (
        serving(page.app, name, drain_timeout=60) as (_, driver, client, url),
        client.ws_connect(url) as ws,
    ):
        await ws.send_str("hello")
        assert await within(ws.receive_str()) == "hello"
        stopping = asyncio.ensure_future(driver.lifespan.stop())
        message = await within(ws.receive())
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await within(stopping)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(url)
        assert refused.value.status == 503
    assert page.ends == [(1001, "the bot stops")]
    assert not logs.matching("Cut off")


async def test_the_stop_cuts_off_a_guest_that_does_not_end(logs: Logs) -> None:
    async def deaf(ws: WebSocket) -> None:
        await ws.accept()
        await asyncio.Event().wait()

    short: dict[str, Any] = {"drain_timeout": 0.1, "close_timeout": 0.3}
    async with (
        serving(Page(deaf).app, **short) as (_, driver, client, url),
        client.ws_connect(url) as ws,
    ):
        receiving = asyncio.ensure_future(ws.receive())
        await within(driver.lifespan.stop())
        assert (await within(receiving)).data == 1001
    assert logs.matching("Cut off 1 WebSocket handler(s) of the guest", "ERROR")


@pytest.mark.parametrize("name", OURS)
async def test_a_client_that_leaves_before_the_answer(name: str) -> None:
    heard: list[Any] = []

    async def hesitate(ws: WebSocket) -> None:
        # Starlette's own receive() takes nothing but the connect before the answer.
        heard.append(await ws._receive())
        heard.append(await ws._receive())
        heard.append(await ws._receive())

    async with serving(Page(hesitate).app, name) as (host, driver, _, _):
        async with await host.client() as client:
            await client.send_request("GET", f"{host.prefix}/page/ws", HANDSHAKE)
            await eventually(lambda: heard, what="the handshake")
        await eventually(lambda: len(heard) == 3, what="the end")
        await eventually(lambda: not len(driver.socket_tasks))
    assert heard[1]["type"] == heard[2]["type"] == "websocket.disconnect"
    assert heard[1]["code"] == 1006
