"""Subprotocols (RFC 6455, section 1.9): offered as a setup says, and never chosen.

NoneBot has no way for an adapter to choose one, so that a client of ours that insists has none.
"""

from __future__ import annotations

import logging

import pytest

from nonebot_aiohttp import Driver
from tests.support import frames, scripts
from tests.support.bots import Adapter, make_driver
from tests.support.forward import WEBSOCKET
from tests.support.hosts import Serving
from tests.support.server import Connection
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

NAME = "Sec-WebSocket-Protocol"
BOT = {"X-Self-ID": "1"}


@pytest.mark.promise("reverse: subprotocols are offered as a setup says, and never chosen")
@pytest.mark.promise("strangers: the loggers of libraries are rate-limited")
@pytest.mark.parametrize("offered", ["", "12.onebot", "12.onebot, " + "x" * 500])
async def test_none_is_chosen_and_only_clients_that_insist_refuse(
    serving: Serving, adapter: Adapter, offered: str, caplog: pytest.LogCaptureFixture
) -> None:
    """OneBot 12 clients have to offer one; aiohttp must not warn of that."""
    headers = {**BOT, NAME: offered} if offered else BOT
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        response = await host.upgrade(client, headers)
        assert response.status == 101
        assert response.header(NAME) is None
        # As aiohttp's and websockets' clients take it.
        await client.send_frame(frames.text("event"))
        await eventually(lambda: adapter.messages == [b"event"])
        async with await host.client() as client:
            await host.upgrade(client, {**headers, "X-Self-ID": ""})
    assert adapter.requests[0].headers.get(NAME.lower(), "") == offered
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [record for record in warnings if record.name.startswith("aiohttp")]


@pytest.mark.promise("reverse: subprotocols are offered as a setup says, and never chosen")
@pytest.mark.parametrize("answered", ["12.onebot", None])
async def test_what_a_setup_names_is_offered(
    driver: Driver, adapter: Adapter, answered: str | None
) -> None:
    async def answer(connection: Connection) -> None:
        await connection.upgrade({NAME: answered} if answered else {})
        await connection.send_frame(frames.text("event"))
        await connection.read_frame()

    async with WEBSOCKET.running(driver, answer, headers={NAME: "12.onebot, 11.onebot"}) as server:
        await eventually(lambda: adapter.messages == [b"event"])
    assert server.attempts[0].request.header(NAME) == "12.onebot, 11.onebot"


async def test_nothing_is_offered_unasked(driver: Driver, adapter: Adapter) -> None:
    async with WEBSOCKET.running(driver, scripts.echo()) as server:
        await eventually(lambda: driver.bots)
    assert server.attempts[0].request.header(NAME) is None
