"""Subprotocols (RFC 6455, section 1.9): offered as a setup says, and never chosen.

NoneBot has no way for an adapter to choose one, so that a client of ours that insists has none.
"""

from __future__ import annotations

import pytest

from nonebot_aiohttp import Driver
from tests.support import frames, scripts
from tests.support.bots import RecordingBot, make_driver
from tests.support.forward import websocket
from tests.support.hosts import Serving
from tests.support.node_ws import complaint_of_ws
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

NAME = "Sec-WebSocket-Protocol"
BOT = {"X-Self-ID": "1"}


@pytest.mark.promise("reverse: subprotocols are offered as a setup says, and never chosen")
@pytest.mark.parametrize("offered", ["", "12.onebot", "12.onebot, 11.onebot"])
async def test_none_is_chosen_and_only_clients_that_insist_refuse(
    serving: Serving, adapter: type[RecordingBot], offered: str
) -> None:
    headers = {**BOT, NAME: offered} if offered else BOT
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        response = await host.upgrade(client, headers)
        assert response.status == 101
        assert response.header(NAME) is None
        # As aiohttp's and websockets' clients take it.
        await client.send_frame(frames.text("event"))
        await eventually(lambda: adapter.messages == [b"event"])
    assert complaint_of_ws(offered, response.header(NAME)) == (
        "Server sent no subprotocol" if offered else None
    )


@pytest.mark.promise("reverse: subprotocols are offered as a setup says, and never chosen")
@pytest.mark.parametrize("answered", ["12.onebot", None])
async def test_what_a_setup_names_is_offered(
    driver: Driver, adapter: type[RecordingBot], answered: str | None
) -> None:
    async def answer(connection: Connection) -> None:
        await connection.upgrade({NAME: answered} if answered else {})
        await connection.send_frame(frames.text("event"))
        await connection.read_frame()

    async with ScriptedServer(answer) as server:
        driver.setup_websocket(websocket(server.ws_url, headers={NAME: "12.onebot, 11.onebot"}))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages == [b"event"])
        assert server.attempts[0].request.header(NAME) == "12.onebot, 11.onebot"


async def test_nothing_is_offered_unasked(driver: Driver, adapter: type[RecordingBot]) -> None:
    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
        assert server.attempts[0].request.header(NAME) is None


def test_what_ws_makes_of_other_answers() -> None:
    assert complaint_of_ws("a, b", "b") is None
    assert complaint_of_ws("a", "b") == "Server sent an invalid subprotocol"
    assert complaint_of_ws("", "b") == "Server sent a subprotocol but none was requested"
