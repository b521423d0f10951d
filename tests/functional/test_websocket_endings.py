"""How a WebSocket ends, server and client side alike: always as `WebSocketClosed`."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketClosed
from nonebot_aiohttp.connections.handshakes import CAN_KEEP_BYTES
from nonebot_aiohttp.connections.open_websockets import OpenWebSockets
from nonebot_aiohttp.life import deadline
from nonebot_aiohttp.life.deadline import Deadline
from tests.support import frames
from tests.support.frames import Frame, Opcode
from tests.support.sides import (
    READERS,
    Ends,
    Reader,
    Side,
    late_uses,
    pump,
    server_side,
)
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

ABNORMAL = 1006


def sending(*sent: Frame) -> Callable[[Ends], Awaitable[Any]]:
    return lambda ends: ends.peer.send_frame(*sent)


async def vanish(ends: Ends) -> None:
    ends.peer.abort()


async def reset(ends: Ends) -> None:
    ends.peer.reset()


async def say_nothing(ends: Ends) -> None:
    pass


async def close_ourselves(ends: Ends) -> None:
    closing = asyncio.create_task(ends.socket.close(4001))
    await ends.peer.read_close()
    await within(closing)


async def close_while_the_peer_is_silent(ends: Ends) -> None:
    await within(ends.socket.close(4001))


async def abort(ends: Ends) -> None:
    ends.socket.abort("enough")


# what happens -> how, and what code and reason the error says; None is any reason
ENDINGS: dict[str, tuple[Callable[[Ends], Awaitable[Any]], int, str | None]] = {
    "close": (sending(frames.close(4000, "再见")), 4000, "再见"),
    "close_without_code": (sending(frames.close(None)), 1005, ""),
    "fin": (vanish, ABNORMAL, None),
    "reset": (reset, ABNORMAL, None),
    "lost_heartbeat": (say_nothing, ABNORMAL, None),
    "our_close": (close_ourselves, 4001, "closed by this side"),
    "our_close_unanswered": (close_while_the_peer_is_silent, 4001, "closed by this side"),
    "our_abort": (abort, ABNORMAL, "enough"),
    "invalid_utf8": (sending(Frame(Opcode.TEXT, b"text \xff")), 1007, None),
    "over_the_limit": (sending(frames.binary(b"x" * 1001)), 1009, None),
    "unknown_opcode": (sending(Frame(0x3, b"")), 1002, None),
    "cut_off_continuation": (sending(Frame(Opcode.CONTINUATION, b"x")), 1002, None),
    "malformed_close": (sending(Frame(Opcode.CLOSE, b"\x03")), 1002, None),
}


def settings_for(ending: str) -> dict[str, Any]:
    heartbeat = 0.05 if ending == "lost_heartbeat" else None
    return {"heartbeat": heartbeat, "max_message_size": 1000, "close_timeout": 0.05}


@pytest.mark.promise("reverse: every ending is WebSocketClosed with code and reason")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_ending_is_websocket_closed_with_code_and_reason(
    side: Side, ending: str, reader: Reader
) -> None:
    """Traps: a lost heartbeat surfaces as `TypeError`; it did not end `receive()` (#8546)."""
    cause, code, reason = ENDINGS[ending]
    async with side(**settings_for(ending)) as ends:
        reading = asyncio.ensure_future(reader(ends))
        await settle()
        await cause(ends)
        with pytest.raises(WebSocketClosed) as closed:
            await within(reading)
        assert closed.value.code == code
        assert closed.value.reason == reason if reason is not None else closed.value.reason
        assert ends.socket.closed
        await check_ended(ends, code)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_before_the_reading_is_the_same(side: Side, ending: str) -> None:
    cause, code, _ = ENDINGS[ending]
    async with side(**settings_for(ending)) as ends:
        await cause(ends)
        with pytest.raises(WebSocketClosed) as closed:
            await within(ends.socket.receive())
        assert closed.value.code == code
        await check_ended(ends, code)


async def check_ended(ends: Ends, code: int) -> None:
    """Whatever is done with a connection that has ended says how it ended."""
    assert [error.code for error in await late_uses(ends.socket)] == [code] * 5
    await within(ends.socket.close())
    assert not await ends.socket.is_alive(1)
    assert ends.socket.closed


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("our_close_unanswered", 4001),
        ("over_the_limit", 1009),
        ("unknown_opcode", 1002),
    ],
)
async def test_the_peer_hears_why(side: Side, ending: str, code: int) -> None:
    async with side(**{**settings_for(ending), "close_timeout": 5}) as ends:
        reading = asyncio.ensure_future(ends.socket.receive())
        await settle()
        ending_it = asyncio.ensure_future(ENDINGS[ending][0](ends))
        assert (await ends.peer.read_close()).close_code == code
        await within(ending_it)
        with pytest.raises(WebSocketClosed):
            await within(reading)


@pytest.mark.promise("reverse: invalid UTF-8 closes with 1007")
async def test_the_peer_is_told_that_its_text_is_not_utf8(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(ends.socket.receive())
        await ends.peer.send_frame(Frame(Opcode.TEXT, b"\xff"))
        close = await ends.peer.read_close()
        # An aiohttp that decodes text closes by itself, and gives the peer no reason.
        reason = "invalid UTF-8 in a text message" if CAN_KEEP_BYTES else ""
        assert (close.close_code, close.close_reason) == (1007, reason)
        with pytest.raises(WebSocketClosed, match=r"1007: .*UTF-8"):
            await within(reading)


async def test_a_heartbeat_that_is_lost_while_nobody_receives_is_an_end(side: Side) -> None:
    async with side(heartbeat=0.05) as ends:
        await eventually(lambda: ends.socket.closed)
        await check_ended(ends, ABNORMAL)


async def test_frames_that_cross_our_close_do_not_disturb_it(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        closing = asyncio.create_task(ends.socket.close(1000))
        assert (await ends.peer.read_frame()).close_code == 1000
        with suppress(ConnectionError):
            await ends.peer.send_frame(frames.text("late"), frames.close(1000))
        await within(closing)
        with pytest.raises(WebSocketClosed, match="1000"):
            await within(reading)


async def test_closing_twice_is_closing_once(side: Side) -> None:
    async with side() as ends:
        closing = [asyncio.create_task(ends.socket.close(code)) for code in (4001, 4002)]
        assert (await ends.peer.read_close()).close_code == 4001
        await within(asyncio.gather(*closing))
        await within(ends.socket.close(4003))
        assert await ends.peer.read_to_end() == b""


# One ending, and a new error for each raise


def depth(error: BaseException) -> int:
    """Count the entries of a traceback."""
    count, traceback = 0, error.__traceback__
    while traceback is not None:
        count, traceback = count + 1, traceback.tb_next
    return count


@pytest.mark.parametrize("ending", sorted(ENDINGS))
async def test_each_raise_is_a_new_error_that_keeps_nothing_of_another(
    side: Side, ending: str
) -> None:
    """Trap: a kept exception that is raised again grows with each raise."""
    end, code, _ = ENDINGS[ending]
    async with side(**settings_for(ending)) as ends:
        reading = asyncio.create_task(pump(ends))
        await settle()
        await end(ends)
        with suppress(WebSocketClosed):
            await within(reading)
        errors = [*await late_uses(ends.socket), *await late_uses(ends.socket)]
        assert len(set(map(id, errors))) == len(errors) == 10
        assert len({(error.code, error.reason) for error in errors}) == 1
        assert errors[0].code == code
        for error in errors:
            assert error.__cause__ is None
            assert error.__context__ is None
        assert list(map(depth, errors[:5])) == list(map(depth, errors[5:]))


async def test_a_send_that_meets_the_end_keeps_no_context(side: Side) -> None:
    async with side(heartbeat=None) as ends:
        ends.peer.reset()
        error = None
        while error is None:
            try:
                await within(ends.socket.send("x" * 1000))
            except WebSocketClosed as closed:
                error = closed
            await settle(1)
        assert (error.__cause__, error.__context__) == (None, None)


async def test_nothing_is_kept_of_tasks_that_have_sent_in_vain(side: Side) -> None:
    class Large:
        pass

    async def handle(ends: Ends) -> None:
        large = Large()
        kept.append(weakref.ref(large))
        await ends.socket.send("too late")

    kept: list[weakref.ref[Large]] = []
    async with side() as ends:
        ends.socket.abort("enough")
        for _ in range(100):
            with suppress(WebSocketClosed):
                await handle(ends)
        gc.collect()
        assert [reference() for reference in kept] == [None] * 100


async def test_all_sockets_are_closed_at_once(side: Side) -> None:
    websockets = OpenWebSockets()
    async with side(close_timeout=0.2) as one, side(close_timeout=0.2) as silent:
        readers = [asyncio.create_task(read_and_remove(websockets, ends)) for ends in (one, silent)]
        await eventually(lambda: len(websockets) == 2)
        closing = asyncio.create_task(websockets.close_all(1001, "the bot stops", Deadline(0, 10)))
        assert (await one.peer.read_close()).close_code == 1001
        await within(closing)
        assert len(websockets) == 0
        assert [(await reader).code for reader in readers] == [1001, 1001]


async def test_closing_all_waits_for_no_reader_that_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadline, "GRACE", 0.01)
    websockets = OpenWebSockets()
    async with server_side(close_timeout=0.01) as ends:
        websockets.add(ends.socket)
        await within(websockets.close_all(1001, "the bot stops", Deadline(0, 10)))
        websockets.remove(ends.socket)
        websockets.remove(ends.socket)
    await OpenWebSockets().close_all(1001, "nobody", Deadline(0, 10))


async def test_a_socket_that_cannot_be_closed_keeps_no_other_open(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(code: int, reason: str = "") -> None:
        raise RuntimeError("broken")

    websockets = OpenWebSockets()
    async with side() as broken, side() as other:
        monkeypatch.setattr(broken.socket, "end", fail)
        websockets.add(broken.socket)
        reading = asyncio.create_task(read_and_remove(websockets, other))
        await eventually(lambda: len(websockets) == 2)
        closing = asyncio.create_task(websockets.close_all(1001, "the bot stops", Deadline(0, 10)))
        assert (await other.peer.read_close()).close_code == 1001
        websockets.remove(broken.socket)
        await within(closing)
        assert (await within(reading)).code == 1001
        assert len(websockets) == 0


async def read_and_remove(websockets: OpenWebSockets, ends: Ends) -> WebSocketClosed:
    websockets.add(ends.socket)
    try:
        await ends.socket.pump(lambda _: None)
    except WebSocketClosed as closed:
        return closed
    finally:
        websockets.remove(ends.socket)
