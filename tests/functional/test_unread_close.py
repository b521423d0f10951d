"""A close that the bot has not received yet: it shows, and nothing is sent to the peer any more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketClosed
from nonebot_aiohttp.connections.unread import unread_close, unread_message
from tests.support import frames
from tests.support.bots import RecordingBot
from tests.support.clock import FakeClock
from tests.support.forward import WEBSOCKET, clocked_driver, closes
from tests.support.server import Connection
from tests.support.sides import Ends, Side, client_side, server_side
from tests.support.waiting import eventually, within
from tests.support.wire import encode_message, status_line

pytestmark = pytest.mark.both_loops


async def check_refused(ends: Ends, code: int, reason: str) -> None:
    """Nothing can be sent any more, and the error says how the peer has closed."""
    for send in (ends.socket.send("late"), ends.socket.send_bytes(b"late")):
        with pytest.raises(WebSocketClosed) as closed:
            await within(send)
        assert (closed.value.code, closed.value.reason) == (code, reason)


@pytest.mark.promise("reverse: a close shows before the bot receives it")
async def test_a_client_shows_a_close_that_nobody_has_received() -> None:
    async with client_side() as ends:
        assert not ends.socket.closed
        await ends.peer.send_frame(frames.close(4000, "bye"))
        await eventually(lambda: ends.socket.closed)
        await check_refused(ends, 4000, "bye")


@pytest.mark.promise("reverse: a close shows before the bot receives it")
async def test_a_server_shows_it_when_the_bot_sends() -> None:
    """As FastAPI's: what is closed may still hold messages, and a server's loop asks for it."""
    async with server_side() as ends:
        await ends.peer.send_frame(frames.close(4000, "bye"))
        await eventually(lambda: ends.socket.gone)
        await check_refused(ends, 4000, "bye")
        assert not ends.socket.closed


async def test_a_close_without_a_code_shows(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.close(None))
        await eventually(lambda: ends.socket.gone)
        await check_refused(ends, 1005, "")


async def test_what_came_before_it_is_still_received(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.text("one"), frames.binary(b"two"), frames.close(4000))
        await eventually(lambda: ends.socket.gone)
        await check_refused(ends, 4000, "")
        assert await within(ends.socket.receive()) == "one"
        await check_refused(ends, 4000, "")
        assert await within(ends.socket.receive_bytes()) == b"two"
        with pytest.raises(WebSocketClosed, match="4000"):
            await within(ends.socket.receive())


@pytest.mark.promise("reverse: a close shows before the bot receives it")
@pytest.mark.parametrize("how", ["close", "fin"])
async def test_a_loop_until_it_is_closed_loses_nothing(side: Side, how: str) -> None:
    async with side() as ends:
        waiting = [frames.text(text) for text in "123"]
        await ends.peer.send_frame(*waiting, frames.ping(b""))
        await eventually(lambda: _waiting(ends) == len(waiting) + 1)
        if how == "close":
            await ends.peer.send_frame(frames.close(1000))
        else:
            ends.peer.abort()
        await eventually(lambda: ends.socket.gone)
        received = []
        # The server's side is closed when it has heard so.
        with suppress(WebSocketClosed):
            while not ends.socket.closed:
                received.append(await within(ends.socket.receive()))
        assert received == ["1", "2", "3"]


@pytest.mark.parametrize("before", [[], [frames.text("hello")]])
async def test_closing_answers_it(side: Side, before: list[frames.Frame]) -> None:
    async with side() as ends:
        await ends.peer.send_frame(*before, frames.close(4000, "bye"))
        await eventually(lambda: ends.socket.gone)
        await within(ends.socket.close(1000))
        answer = await ends.peer.read_frame()
        assert (answer.close_code, answer.close_reason) == (4000, "bye")
        assert await ends.peer.read_to_end() == b""


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_a_lost_connection_shows_as_well(side: Side, how: str) -> None:
    async with side() as ends:
        ends.peer.reset() if how == "reset" else ends.peer.abort()
        await eventually(lambda: ends.socket.gone)
        with pytest.raises(WebSocketClosed):
            await within(ends.socket.send("late"))
        assert ends.socket.closed


async def test_a_client_shows_a_lost_connection_before_it_sends() -> None:
    async with client_side() as ends:
        ends.peer.abort()
        await eventually(lambda: ends.socket.closed)


@pytest.mark.parametrize("send", ["send", "send_bytes"])
async def test_what_came_before_a_failed_write_is_still_received(side: Side, send: str) -> None:
    data: Any = "late" if send == "send" else b"late"
    async with side() as ends:
        await ends.peer.send_frame(frames.text("hello"), frames.binary(b"more"))
        await eventually(lambda: _waiting(ends) == 2)
        ends.peer.abort()
        await eventually(lambda: ends.socket.gone)
        for _ in range(2):
            with pytest.raises(WebSocketClosed) as closed:
                await within(getattr(ends.socket, send)(data))
            assert closed.value.code == 1006
        assert not ends.socket.closed
        assert await within(ends.socket.receive()) == "hello"
        assert await within(ends.socket.receive_bytes()) == b"more"
        with pytest.raises(WebSocketClosed, match="1006"):
            await within(ends.socket.receive())
        assert ends.socket.closed


@pytest.mark.parametrize("read", ["receive", "pump"])
async def test_what_came_behind_an_unanswered_ping_is_still_received(side: Side, read: str) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.ping(b"?"), frames.text("hello"))
        await eventually(lambda: _waiting(ends) == 2)
        ends.peer.abort()
        await eventually(lambda: ends.socket.gone)
        received: list[Any] = []
        if read == "receive":
            received.append(await within(ends.socket.receive_bytes()))
        with pytest.raises(WebSocketClosed, match="1006"):
            await within(ends.socket.pump(received.append))
        assert received == [b"hello"]
        assert ends.socket.closed


async def test_a_bot_that_cannot_be_made_leaves_no_close_unanswered(fake_clock: FakeClock) -> None:
    class Recorder(RecordingBot):
        def __init__(self, *args: Any) -> None:
            raise ValueError("cannot be made")

    async def closing(connection: Connection) -> None:
        """Accept and close at once: both are there when the bot is to be made."""
        request = await connection.read_request()
        accepting = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": frames.accept_key(request.header("Sec-WebSocket-Key") or ""),
        }
        head = encode_message(status_line(101), accepting)
        await connection.send(head + frames.encode(frames.close(4000)))
        await connection.read_frame()

    driver = clocked_driver(fake_clock, Recorder)
    async with WEBSOCKET.running(driver, closing) as server:
        attempt = await server.attempt(1)
        await eventually(lambda: attempt.ended)
        assert len(closes(server)) == 1


async def test_a_waiting_message_is_not_a_close(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.text("hello"), frames.ping(b""))
        await eventually(lambda: _waiting(ends) == 2)
        assert not ends.socket.closed
        assert not ends.socket.gone
        await ends.socket.send("welcome")
        assert (await ends.peer.read_frame()).text == "welcome"


async def test_a_socket_with_a_reader_is_not_searched_for_a_close(
    side: Side, monkeypatch: Any
) -> None:
    """A reader that is at work has received all that there is: the API calls of adapters."""
    async with side() as ends:
        reading = asyncio.create_task(ends.socket.receive())
        await asyncio.sleep(0)
        monkeypatch.setattr("nonebot_aiohttp.connections.aiohttp_websocket.unread_close", None)
        await ends.socket.send("call")
        assert (await ends.peer.read_frame()).text == "call"
        monkeypatch.undo()
        reading.cancel()


def test_a_close_that_cannot_be_seen_is_not_reported() -> None:
    """What aiohttp keeps is its own business, and may be kept elsewhere one day."""

    class Hidden:
        _reader = object()

    for socket in (None, object(), Hidden()):
        assert unread_close(socket) is None
        assert not unread_message(socket)


def _waiting(ends: Ends) -> int:
    socket: Any = ends.socket._wrapped
    return len(socket._reader._buffer)
