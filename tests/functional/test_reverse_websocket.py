"""Reverse WebSockets, under every host alike: connecting, messages, and endings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import ReceiveConflict, WebSocket, WebSocketClosed
from nonebot_aiohttp.life.tasks import start_task
from tests.support import frames
from tests.support.bots import Adapter, RecordingBot, make_driver
from tests.support.client import RawClient
from tests.support.frames import Opcode
from tests.support.hosts import Serving, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

BOT = {"X-Self-ID": "1"}


@pytest.mark.parametrize("path", ["/recorder/ws", "/recorder/ws/"])
async def test_both_paths_of_an_adapter_take_websockets(
    serving: Serving, adapter: Adapter, path: str
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, await host.client() as client:
        assert (await host.upgrade(client, target=path)).status == 101
        await eventually(lambda: driver.bots)
        assert driver.bots["1"].self_id == "1"


@pytest.mark.promise("reverse: text and binary frames arrive as bytes")
async def test_text_and_binary_reach_handle_message_as_bytes(
    serving: Serving, adapter: Adapter
) -> None:
    async with serving(make_driver(adapter)) as host, host.connected() as client:
        await client.send_frame(frames.text("ascii"), frames.text("你好"), frames.text(""))
        await client.send_frame(frames.binary(b"\x00\xff"), frames.binary(b""))
        await eventually(lambda: len(adapter.messages) == 5)
    assert adapter.messages == [b"ascii", "你好".encode(), b"", b"\x00\xff", b""]
    assert all(type(message) is bytes for message in adapter.messages)


@pytest.mark.promise("registry: WebSocket bots are in bots from accept to close")
async def test_a_bot_is_there_from_accept_to_close(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.bot_connected() as client:
        await client.send_frame(frames.close(4000, "bye"))
        await client.read_close()
        await eventually(lambda: not driver.bots)
        socket = adapter_socket(adapter)
        assert socket.closed
        with pytest.raises(WebSocketClosed) as closed:
            await socket.send("late")
        assert (closed.value.code, closed.value.reason) == (4000, "bye")
    assert logs.matching("Bot 1 of recorder connected (reverse WebSocket)", "INFO")
    assert logs.matching("Bot 1 of recorder disconnected (reverse WebSocket, 4000: bye)", "INFO")


@pytest.mark.promise("reverse: the reader never waits for a handler")
async def test_a_handler_may_wait_for_an_answer_on_the_same_socket(serving: Serving) -> None:
    """Trap: the reader only reads; an await of a handler in it would wait for itself."""
    answers: list[bytes] = []

    class Recorder(RecordingBot):
        waiting: asyncio.Future[bytes] | None = None

        async def react(self, message: bytes) -> None:
            if message == b"event":
                type(self).waiting = asyncio.get_running_loop().create_future()
                await self.socket.send("call")
                assert self.waiting is not None
                answers.append(await self.waiting)
            elif self.waiting is not None:
                self.waiting.set_result(message)

    async with serving(make_driver(Recorder)) as host, host.connected() as client:
        await client.send_frame(frames.text("event"))
        assert (await client.read_frame()).text == "call"
        await client.send_frame(frames.text("answer"))
        await eventually(lambda: answers == [b"answer"])


async def test_a_handler_that_raises_or_never_ends_stops_nobody(
    serving: Serving, logs: Logs
) -> None:
    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            if message == b"raise":
                raise ValueError("oops")
            if message == b"hang":
                await asyncio.get_running_loop().create_future()

    driver = make_driver(Recorder, aiohttp_drain_timeout=0.01)
    async with serving(driver) as host, host.connected() as client:
        for word in ("raise", "hang", "next"):
            await client.send_frame(frames.text(word))
        await eventually(lambda: Recorder.messages == [b"raise", b"hang", b"next"])
    assert len(logs.matching("A handler of bot 1 of recorder failed", "ERROR")) == 1
    assert logs.matching("Cut off 1 handler(s) of recorder", "ERROR")


@pytest.mark.promise("reverse: receiving while the driver's reader runs is a named error")
async def test_while_the_reader_runs_receiving_is_a_named_error(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.bot_connected() as client:
        for receive in (adapter_socket(adapter).receive, adapter_socket(adapter).receive_bytes):
            with pytest.raises(ReceiveConflict, match="the driver's reader receives"):
                await receive()
        await client.send_frame(frames.text("still read"))
        await eventually(lambda: adapter.messages)


async def test_connection_hooks_run_with_the_bot(serving: Serving, adapter: Adapter) -> None:
    driver, seen = make_driver(adapter), []
    driver.on_bot_connect(lambda bot: seen.append(("connect", bot, "1" in driver.bots)))
    driver.on_bot_disconnect(lambda bot: seen.append(("disconnect", bot, "1" in driver.bots)))
    async with serving(driver) as host:
        async with host.bot_connected():
            bot = driver.bots["1"]
        await eventually(lambda: len(seen) == 2)
    assert seen == [("connect", bot, True), ("disconnect", bot, False)]


async def test_the_stop_closes_with_1001(serving: Serving, adapter: Adapter) -> None:
    """Trap: a WebSocket not closed in `on_shutdown` costs twice aiohttp's `shutdown_timeout`."""
    driver = make_driver(adapter)
    stopped: list[float] = []
    async with serving(driver) as host:
        client = await host.client()
        assert (await host.upgrade(client)).status == 101
        closing = asyncio.create_task(client.read_close())
        await eventually(lambda: driver.bots)
        begun = asyncio.get_running_loop().time()
    stopped.append(asyncio.get_running_loop().time() - begun)
    assert (await closing).close_code == (1001 if host.transport == "aiohttp" else 1012)
    await client.close()
    assert stopped[0] < 2
    assert driver.bots == {}


@pytest.mark.promise("data: every limit is a setting with a default for bots")
async def test_big_messages_pass_the_default_limit(serving: Serving, adapter: Adapter) -> None:
    """Trap: big images meet aiohttp's default of 4 MiB and end in 1009."""
    async with serving(make_driver(adapter)) as host, host.connected() as client:
        await client.send_frame(frames.binary(b"x" * (9 << 20)))
        await eventually(lambda: adapter.messages)
    assert len(adapter.messages[0]) == 9 << 20


@pytest.mark.promise("reverse: a half-open peer is gone within a bounded time")
async def test_a_silent_peer_is_gone_within_a_bounded_time(adapter: Adapter) -> None:
    """Trap: no heartbeat, silent loss (go-cqhttp#131)."""
    driver = make_driver(adapter, aiohttp_heartbeat=0.1)
    async with own_process(driver) as host, host.bot_connected() as client:
        assert (await client.read_frame()).opcode == Opcode.PING
        await eventually(lambda: not driver.bots)


@pytest.mark.promise("reverse: a half-open peer is gone within a bounded time")
async def test_a_peer_that_answers_pings_stays(adapter: Adapter) -> None:
    # A pong has half of it to come: time that a loaded machine needs.
    driver = make_driver(adapter, aiohttp_heartbeat=1)
    async with own_process(driver) as host, host.connected() as client:
        for _ in range(2):
            await _answer_ping(client)
        assert "1" in driver.bots


async def _answer_ping(client: RawClient) -> None:
    ping = await client.read_frame()
    assert ping.opcode == Opcode.PING
    await client.send_frame(frames.pong(ping.payload))


def adapter_socket(adapter: Adapter) -> WebSocket:
    """Return the socket of the adapter's latest connection."""
    socket = adapter.requests[-1]
    assert isinstance(socket, WebSocket)
    return socket


async def test_a_connection_that_has_ended_is_let_go(adapter: Adapter) -> None:
    """The transport of aiohttp remembers its open connections, for the stop."""
    driver = make_driver(adapter)
    open_ones = driver._host._transport._upgraded
    async with own_process(driver) as host:
        for _ in range(3):
            async with host.bot_connected():
                assert len(open_ones) == 1
            await eventually(lambda: not open_ones)


# Trap: eager tasks run before their caller has read a byte (Python 3.12 and newer)


@pytest.mark.parametrize("in_a_task", [False, True])
async def test_a_connect_hook_that_closes_at_once_says_the_code(
    serving: Serving, adapter: Adapter, in_a_task: bool
) -> None:
    driver, closing = make_driver(adapter), list[asyncio.Task[None]]()

    @driver.on_bot_connect
    async def refuse(bot: Any) -> None:
        closing.append(start_task(bot.request.end(4003, "no room")))
        if not in_a_task:
            await closing[0]

    async with serving(driver) as host, host.connected() as client:
        close = await client.read_close()
        assert (close.close_code, close.close_reason) == (4003, "no room")
        await eventually(lambda: not driver.bots)
    await asyncio.gather(*closing)


# Trap: a platform restarts while handlers wait for it


async def test_handlers_that_fail_because_their_connection_has_ended_are_counted(
    serving: Serving, logs: Logs
) -> None:
    go, answered = asyncio.Event(), []

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            await go.wait()
            try:
                await self.socket.send("answer")
            except WebSocketClosed as closed:
                answered.append(closed)
                raise RuntimeError("the network failed") from closed

    count = 400
    driver = make_driver(Recorder)
    async with serving(driver) as host:
        async with host.connected() as client:
            await client.send_frame(*[frames.text("event")] * count)
            await eventually(lambda: len(Recorder.messages) == count)
        await eventually(lambda: not driver.bots)
        before = len(logs)
        go.set()
        await eventually(lambda: len(answered) == count)
        await settle()
        (line,) = logs[before:]
        assert line.level == "WARNING"
        failed = "A handler of bot 1 of recorder failed: RuntimeError: the network failed"
        assert line.message == failed
    (counted,) = logs.matching("399 more time(s)")
    assert counted.message.startswith("A handler of bot 1 of recorder failed 399 more time(s), at")
    assert logs.messages("ERROR") == []
    assert len(set(map(id, answered))) == count
