"""The WebSocket client: the handshake, frames of all kinds, the heartbeat and what it finds."""

from __future__ import annotations

from typing import Any

import pytest

from nonebot_aiohttp import Driver, DriverOptions, WebSocketClosed
from nonebot_aiohttp.forward import reconnect
from nonebot_aiohttp.forward.reconnect import connect_arguments
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.clock import FakeClock
from tests.support.forward import SLOWEST, WEBSOCKET, bot_of, clocked_driver, websocket
from tests.support.frames import Opcode
from tests.support.logs import Logs
from tests.support.server import Script, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

MIB = 1024 * 1024


# Handshake


async def test_the_handshake_is_the_setups_and_the_bot_sees_it(driver: Driver) -> None:
    async with ScriptedServer(scripts.echo()) as server:
        url = f"{server.ws_url}/a%20b/%E6%9C%BA?q=%E5%99%A8"
        headers = {"Authorization": "Bearer x", "X-Two": "2", "User-Agent": "bot/1"}
        driver.setup_websocket(websocket(url, headers=headers))
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
            socket = bot_of(driver).socket
            # The other side has accepted it already.
            await socket.accept()
            assert not socket.closed
        assert socket.closed
        request = server.attempts[0].request
    assert request.start_line == "GET /a%20b/%E6%9C%BA?q=%E5%99%A8 HTTP/1.1"
    for name, value in headers.items():
        assert request.header_values(name) == [value]
    assert (socket.type, socket.http_version, socket.scheme) == ("websocket", "1.1", "ws")
    assert (socket.path, socket.query_string) == ("/a b/机", b"q=%E5%99%A8")
    assert socket.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": "Bearer x",
        "x-two": "2",
        "user-agent": "bot/1",
    }


async def test_a_url_of_http_will_do(driver: Driver) -> None:
    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.url))
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
            assert bot_of(driver).socket.scheme == "ws"


@pytest.mark.parametrize("compress", [False, True])
async def test_compression_is_off_unless_asked_for(
    fake_clock: FakeClock, adapter: Adapter, compress: bool
) -> None:
    """Trap: it costs memory and CPU per connection."""
    driver = clocked_driver(fake_clock, adapter, compress=compress)
    async with WEBSOCKET.running(driver, scripts.send_frames("event")) as server:
        await eventually(lambda: adapter.messages)
    offered = server.attempts[0].request.header("Sec-WebSocket-Extensions")
    assert ("permessage-deflate" in (offered or "")) == compress


@pytest.mark.promise("forward: other 4xx answers are retried at the slowest pace")
@pytest.mark.parametrize(
    "script", [scripts.wrong_accept(), scripts.status(200, b"<html>")], ids=["key", "page"]
)
async def test_an_answer_that_is_not_a_websocket_is_retried_slowly(
    driver: Driver, fake_clock: FakeClock, logs: Logs, script: Script
) -> None:
    async with WEBSOCKET.running(driver, script):
        assert await fake_clock.slept(1) == SLOWEST
        assert not driver.bots
    assert "WSServerHandshakeError" in logs.messages("WARNING")[0]


# Frames


# Heartbeat and loss


async def test_a_peer_that_vanishes_without_fin_is_replaced(
    fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    """Trap: silent loss (go-cqhttp#131); a lost heartbeat surfaced as `TypeError` (2.5)."""
    driver = clocked_driver(fake_clock, adapter, heartbeat=0.1)
    left: list[str] = []
    driver.on_bot_disconnect(lambda bot: left.append(bot.self_id))
    async with WEBSOCKET.running(
        driver, scripts.half_open(), scripts.send_frames("again")
    ) as server:
        await eventually(lambda: driver.bots)
        socket = bot_of(driver).socket
        await fake_clock.slept(1)
        assert not driver.bots
        await eventually(lambda: left)
        with pytest.raises(WebSocketClosed) as raised:
            await socket.send("too late")
        assert raised.value.code == 1006
        await fake_clock.advance_to_next()
        await eventually(lambda: adapter.messages)
    assert Opcode.PING in [frame.opcode for frame in server.attempts[0].frames]
    assert "disconnected (forward WebSocket, 1006: " in logs.messages("WARNING")[0]


async def test_a_peer_that_answers_pings_stays_connected(
    fake_clock: FakeClock, adapter: Adapter
) -> None:
    """Trap: an idle WebSocket that dies of a read timeout (adapter-discord#92)."""
    # A pong has half of it to come: time that a loaded machine needs.
    driver = clocked_driver(fake_clock, adapter, heartbeat=1)
    async with WEBSOCKET.running(driver, scripts.echo()) as server:
        attempt = await server.attempt(1)
        await eventually(lambda: [f.opcode for f in attempt.frames].count(Opcode.PING) >= 2)
        assert list(driver.bots) == ["1"]
    assert len(server.attempts) == 1


@pytest.mark.promise("forward: handshake, idle and close have timeouts of their own")
@pytest.mark.parametrize("new", [True, False])
def test_no_timeout_of_aiohttp_ends_an_idle_connection(
    monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    """Trap: `ClientWSTimeout` came with aiohttp 3.11; before, a number bounds the close."""

    def newer(**arguments: float | None) -> dict[str, float | None]:
        return arguments

    monkeypatch.setattr(reconnect, "_WS_TIMEOUT", newer if new else None)
    options = DriverOptions.parse({"close_timeout": 7, "heartbeat": None, "compress": True})
    arguments = connect_arguments(options)
    expected: Any = {"ws_receive": None, "ws_close": 7} if new else 7
    assert arguments["timeout"] == expected
    assert arguments["heartbeat"] is None
    assert arguments["autoping"] is False
    assert arguments["max_msg_size"] == 64 * MIB
    assert arguments["compress"] == 15
    assert reconnect._close_timeout(7)["timeout"] is not None
    assert "receive_timeout" not in arguments


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (scripts.accept_then_close(4001, "go away"), "4001: go away)"),
        (scripts.accept_then_close(None), "1005)"),
        (scripts.accept_then_close(abrupt=True), "1006: "),
    ],
    ids=["code", "no code", "no close frame"],
)
async def test_the_end_of_a_connection_is_one_line(
    driver: Driver, fake_clock: FakeClock, logs: Logs, script: Script, text: str
) -> None:
    async with WEBSOCKET.running(driver, script):
        assert await fake_clock.slept(1) == 3.0
    (warning,) = logs.messages("WARNING")
    assert f"Bot 1 of recorder disconnected (forward WebSocket, {text}" in warning
    assert "\n" not in warning
