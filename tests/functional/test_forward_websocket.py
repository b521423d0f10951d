"""The WebSocket client: the handshake, frames of all kinds, the heartbeat and what it finds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from nonebot_aiohttp import Driver, DriverOptions, ReceiveConflict, WebSocketClosed
from nonebot_aiohttp.forward import reconnect
from nonebot_aiohttp.forward.reconnect import connect_arguments
from tests.support import frames, scripts
from tests.support.bots import RecordingBot
from tests.support.clock import FakeClock
from tests.support.forward import SLOWEST, bot_of, clocked_driver, closes, websocket
from tests.support.frames import Frame, Opcode
from tests.support.logs import Logs
from tests.support.server import Connection, Script, ScriptedServer
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

Adapter = type[RecordingBot]

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
    async with ScriptedServer(scripts.send_frames("event")) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
        offered = server.attempts[0].request.header("Sec-WebSocket-Extensions")
    assert ("permessage-deflate" in (offered or "")) == compress


@pytest.mark.promise("forward: other 4xx answers are retried at the slowest pace")
@pytest.mark.parametrize(
    "script", [scripts.wrong_accept(), scripts.status(200, b"<html>")], ids=["key", "page"]
)
async def test_what_is_no_websocket_is_retried_slowly(
    driver: Driver, fake_clock: FakeClock, logs: Logs, script: Script
) -> None:
    async with ScriptedServer(script) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            assert await fake_clock.slept(1) == SLOWEST
            assert not driver.bots
    assert "WSServerHandshakeError" in logs.messages("WARNING")[0]


# Frames


async def test_text_and_binary_frames_arrive_as_bytes(driver: Driver, adapter: Adapter) -> None:
    fragments = [
        Frame(Opcode.TEXT, "你".encode()[:2], fin=False),
        frames.ping(b"between"),
        Frame(Opcode.CONTINUATION, "你好".encode()[2:]),
    ]
    async with ScriptedServer(
        scripts.send_frames("text", "文本", b"\x00\xff", *fragments, "")
    ) as s:
        driver.setup_websocket(websocket(s.ws_url))
        async with driver.lifespan():
            await eventually(lambda: len(adapter.messages) == 5)
    assert adapter.messages == [b"text", "文本".encode(), b"\x00\xff", "你好".encode(), b""]
    assert all(type(message) is bytes for message in adapter.messages)


async def test_what_a_bot_sends_arrives_from_any_task(driver: Driver, adapter: Adapter) -> None:
    """Trap: a WebSocket must be usable from another task (NoneBot 2.0.1)."""
    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
            socket = bot_of(driver).socket
            await asyncio.gather(socket.send("文本"), socket.send_bytes(b"\x00"))
            await eventually(lambda: len(adapter.messages) == 2)
        sent = [(frame.opcode, frame.payload) for frame in server.attempts[0].frames[:2]]
    assert sorted(sent) == [(Opcode.TEXT, "文本".encode()), (Opcode.BINARY, b"\x00")]


@pytest.mark.promise("reverse: invalid UTF-8 closes with 1007")
async def test_invalid_text_closes_with_1007(
    driver: Driver, adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    bad = scripts.send_frames("before", Frame(Opcode.TEXT, b"\xff\xfe"), "after")
    async with ScriptedServer(bad, scripts.send_frames("again")) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await fake_clock.slept(1)
            await eventually(lambda: closes(server))
            assert closes(server)[0][0] == 1007
            await fake_clock.advance_to_next()
            await eventually(lambda: len(adapter.messages) == 2)
    assert adapter.messages == [b"before", b"again"]
    assert "1007" in logs.messages("WARNING")[0]


async def test_big_messages_pass_by_default(driver: Driver, adapter: Adapter) -> None:
    """Trap: big images, 1009 from a 4 MiB message limit (ncatbot#161, OneDisc#30)."""
    async with ScriptedServer(scripts.send_frames(b"x" * (9 * MIB))) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
    assert len(adapter.messages[0]) == 9 * MIB


@pytest.mark.parametrize("how", ["whole", "announced"])
async def test_a_message_over_the_limit_closes_with_1009(
    adapter: Adapter, fake_clock: FakeClock, logs: Logs, how: str
) -> None:
    driver = clocked_driver(fake_clock, adapter, max_message_size=1000)
    big = (
        scripts.send_frames(b"x" * 1000, b"x" * 1001)
        if how == "whole"
        else scripts.oversize_frame(5000)
    )
    async with ScriptedServer(big, scripts.send_frames("again")) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await fake_clock.slept(1)
            await fake_clock.advance_to_next()
            await eventually(lambda: b"again" in adapter.messages)
    assert "1009" in logs.messages("WARNING")[0]
    assert max(map(len, adapter.messages)) <= 1000


@pytest.mark.promise("reverse: the reader never waits for a handler")
async def test_the_reader_never_waits_for_a_handler(fake_clock: FakeClock) -> None:
    """A handler waits for the answer to its API call, which comes on this very socket."""
    results: list[Any] = []

    class Recorder(RecordingBot):
        waiting: dict[str, asyncio.Future[Any]] = {}

        async def react(self, message: bytes) -> None:
            data = json.loads(message)
            if "echo" in data:
                self.waiting.pop(data["echo"]).set_result(data)
            else:
                results.append(await self.call_api("get", number=data["number"]))

        async def _call_api(self, api: str, **data: Any) -> Any:
            answer = self.waiting[api] = asyncio.get_running_loop().create_future()
            await self.socket.send(json.dumps({"echo": api, **data}))
            return await answer

    async def platform(connection: Connection) -> None:
        await connection.upgrade()
        await connection.send_frame(frames.text('{"number": 7}'))
        call = await connection.read_message()
        await connection.send_frame(frames.text(call.text))
        await connection.read_close()

    driver = clocked_driver(fake_clock, Recorder)
    async with ScriptedServer(platform) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: results)
    assert results == [{"echo": "get", "number": 7}]


async def test_an_adapters_own_receive_is_a_named_error(driver: Driver) -> None:
    """Trap: two concurrent `receive()` raise aiohttp's `RuntimeError`."""
    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
            await settle()
            for receive in (bot_of(driver).socket.receive, bot_of(driver).socket.receive_bytes):
                with pytest.raises(ReceiveConflict, match="the driver's reader"):
                    await receive()
            await bot_of(driver).socket.send("still there")
            await eventually(lambda: type(bot_of(driver)).messages)


# Heartbeat and loss


async def test_pings_of_the_peer_are_answered(driver: Driver) -> None:
    """Trap: `autoping` off left pings unanswered (after 2.5)."""
    async with ScriptedServer(scripts.send_frames(frames.ping(b"are you there?"))) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            attempt = await server.attempt(1)
            await eventually(lambda: attempt.frames)
    assert (attempt.frames[0].opcode, attempt.frames[0].payload) == (Opcode.PONG, b"are you there?")


async def test_a_peer_that_vanishes_without_fin_is_replaced(
    fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    """Trap: silent loss (go-cqhttp#131); a lost heartbeat surfaced as `TypeError` (2.5)."""
    driver = clocked_driver(fake_clock, adapter, heartbeat=0.1)
    left: list[str] = []
    driver.on_bot_disconnect(lambda bot: left.append(bot.self_id))
    async with ScriptedServer(scripts.half_open(), scripts.send_frames("again")) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
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
    assert "WebSocketClosed: WebSocket closed with 1006" in logs.messages("WARNING")[0]


async def test_a_peer_that_answers_pings_stays_connected(
    fake_clock: FakeClock, adapter: Adapter
) -> None:
    """Trap: an idle WebSocket that dies of a read timeout (adapter-discord#92)."""
    # A pong has half of it to come: time that a loaded machine needs.
    driver = clocked_driver(fake_clock, adapter, heartbeat=1)
    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
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
        (scripts.accept_then_close(4001, "go away"), "closed with 4001: go away"),
        (scripts.accept_then_close(None), "closed with 1005"),
        (scripts.accept_then_close(abrupt=True), "closed with 1006"),
    ],
    ids=["code", "no code", "no close frame"],
)
async def test_the_end_of_a_connection_is_one_line(
    driver: Driver, fake_clock: FakeClock, logs: Logs, script: Script, text: str
) -> None:
    async with ScriptedServer(script) as server:
        driver.setup_websocket(websocket(server.ws_url))
        async with driver.lifespan():
            assert await fake_clock.slept(1) == 3.0
    (warning,) = logs.messages("WARNING")
    assert f"WebSocket of bot 1 (recorder): WebSocketClosed: WebSocket {text}" in warning
    assert "\n" not in warning
