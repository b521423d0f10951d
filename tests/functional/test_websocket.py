"""`WebSocket` over aiohttp, server and client side alike: messages, endings, and a bad peer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from nonebot_aiohttp import ReceiveConflict, WebSocketClosed, WebSocketNotAccepted
from nonebot_aiohttp.websocket import OpenSockets, fitting
from tests.support import frames
from tests.support.frames import Frame, Opcode
from tests.support.sides import SIDES, Ends, Side, client_side, handshake, server_side
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

ABNORMAL = 1006
BIG = b"x" * (1 << 22)


@pytest.fixture(params=sorted(SIDES))
def side(request: pytest.FixtureRequest) -> Side:
    return SIDES[request.param]


async def receive(ends: Ends) -> Any:
    return await ends.socket.receive()


async def receive_bytes(ends: Ends) -> Any:
    return await ends.socket.receive_bytes()


async def pump(ends: Ends) -> Any:
    await ends.socket.pump(lambda _: None)


READERS = [receive, receive_bytes, pump]
Reader = Callable[[Ends], Awaitable[Any]]


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
        assert not ends.socket.closed
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
    for use in (
        ends.socket.send("late"),
        ends.socket.send_bytes(b"late"),
        ends.socket.receive(),
        ends.socket.receive_bytes(),
        ends.socket.pump(lambda _: None),
    ):
        with pytest.raises(WebSocketClosed) as closed:
            await within(use)
        assert closed.value.code == code
    await within(ends.socket.close())
    assert not await ends.socket.is_alive(1)
    assert ends.socket.closed


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("our_close_unanswered", 4001),
        ("invalid_utf8", 1007),
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


async def test_what_came_before_the_end_is_read_first(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.text("1"), frames.text("2"), frames.close(1000, "done"))
        assert [await ends.socket.receive() for _ in range(2)] == ["1", "2"]
        with pytest.raises(WebSocketClosed, match="1000: done"):
            await ends.socket.receive()


async def test_text_and_bytes_are_converted_both_ways(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(*(frames.text("你好") for _ in range(3)))
        await ends.peer.send_frame(*(frames.binary("再见".encode()) for _ in range(3)))
        socket = ends.socket
        assert await socket.receive() == "你好"
        assert await socket.receive_bytes() == "你好".encode()
        assert await socket.receive_frame() == "你好"
        assert await socket.receive() == "再见"
        assert await socket.receive_bytes() == "再见".encode()
        assert await socket.receive_frame() == "再见".encode()


async def test_bytes_that_are_no_text_end_a_receive_of_text(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.binary(b"\xff"), frames.binary(b"\xff"))
        assert await ends.socket.receive_bytes() == b"\xff"
        receiving = asyncio.create_task(ends.socket.receive())
        assert (await ends.peer.read_close()).close_code == 1007
        with pytest.raises(WebSocketClosed, match="1007"):
            await receiving


async def test_what_is_sent_arrives_as_its_kind(side: Side) -> None:
    async with side() as ends:
        await ends.socket.send("你好")
        await ends.socket.send_bytes(b"\x00\xff")
        await ends.socket.send("")
        read = [await ends.peer.read_frame() for _ in range(3)]
        assert [(frame.opcode, frame.payload) for frame in read] == [
            (Opcode.TEXT, "你好".encode()),
            (Opcode.BINARY, b"\x00\xff"),
            (Opcode.TEXT, b""),
        ]
        assert {frame.masked for frame in read} == {side is client_side}


@pytest.mark.parametrize("reader", READERS)
async def test_pings_are_answered_and_pongs_passed_over(side: Side, reader: Reader) -> None:
    """Trap: with `autoping` off pings are left unanswered."""
    async with side() as ends:
        reading = asyncio.ensure_future(reader(ends))
        await ends.peer.send_frame(frames.pong(b"unasked"), frames.ping(b"1"), frames.ping(b""))
        read = [await ends.peer.read_frame() for _ in range(2)]
        assert [(f.opcode, f.payload) for f in read] == [(Opcode.PONG, b"1"), (Opcode.PONG, b"")]
        assert not reading.done()
        reading.cancel()


@pytest.mark.parametrize("reader", READERS)
async def test_one_task_reads_at_a_time(side: Side, reader: Reader) -> None:
    """Trap: two concurrent `receive()` are a `RuntimeError` of aiohttp's."""
    async with side() as ends:
        reading = asyncio.ensure_future(reader(ends))
        await settle()
        who = "the driver's reader" if reader is pump else "another task"
        for second in READERS:
            with pytest.raises(ReceiveConflict, match=who):
                await second(ends)
        reading.cancel()
        await asyncio.wait({reading})
        await ends.peer.send_frame(frames.text("free again"))
        assert await ends.socket.receive() == "free again"


async def test_a_cancelled_receive_loses_no_message(side: Side) -> None:
    received: list[str] = []
    async with side() as ends:
        for number in range(5):
            receiving = asyncio.create_task(ends.socket.receive())
            await settle()
            receiving.cancel()
            await asyncio.wait({receiving})
            received += [] if receiving.cancelled() else [receiving.result()]
            await ends.peer.send_frame(frames.text(str(number)))
        while len(received) < 5:
            received.append(await within(ends.socket.receive()))
    assert received == list("01234")


async def test_the_reader_delivers_bytes_of_both_kinds(side: Side) -> None:
    delivered: list[bytes] = []
    async with side() as ends:
        await ends.peer.send_frame(frames.text("ascii"), frames.text("你好"), frames.text(""))
        await ends.peer.send_frame(frames.binary(b"\xff"), frames.close())
        with pytest.raises(WebSocketClosed):
            await ends.socket.pump(delivered.append)
    assert delivered == [b"ascii", "你好".encode(), b"", b"\xff"]
    assert all(type(data) is bytes for data in delivered)


async def test_a_socket_is_used_from_any_task(side: Side) -> None:
    """Trap: a WebSocket must be usable from another task (NoneBot 2.0.1)."""
    async with side() as ends:
        reading = asyncio.create_task(ends.socket.receive())
        await asyncio.gather(*(ends.socket.send(f"{number:05}" * 1000) for number in range(20)))
        texts = {(await ends.peer.read_frame()).text for _ in range(20)}
        assert texts == {f"{number:05}" * 1000 for number in range(20)}
        await ends.peer.send_frame(frames.text("answer"))
        assert await reading == "answer"


async def test_closing_from_another_task_ends_the_reader_in_order(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.create_task(ends.socket.receive())
        closing = asyncio.create_task(ends.socket.end(1001, "the bot stops"))
        close = await ends.peer.read_close()
        assert (close.close_code, close.close_reason) == (1001, "the bot stops")
        await within(closing)
        with pytest.raises(WebSocketClosed, match="1001: the bot stops"):
            await within(reading)
        assert await ends.peer.read_to_end() == b""


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


@pytest.mark.parametrize("reason", ["x" * 200, "你" * 50, "é" * 62])
async def test_a_long_reason_is_cut_between_characters(side: Side, reason: str) -> None:
    async with side() as ends:
        closing = asyncio.create_task(ends.socket.end(1008, reason))
        cut = (await ends.peer.read_close()).close_reason
        assert reason.startswith(cut)
        assert 120 < len(cut.encode()) <= 123
        await within(closing)


def test_a_short_reason_is_not_cut() -> None:
    assert fitting("再见") == "再见".encode()


@pytest.mark.parametrize("size", [900, 1001])
async def test_the_limit_is_on_the_message(side: Side, size: int) -> None:
    async with side(max_message_size=1000) as ends:
        half = size // 2
        await ends.peer.send_frame(Frame(Opcode.BINARY, b"x" * half, fin=False))
        await ends.peer.send_frame(Frame(Opcode.CONTINUATION, b"x" * (size - half)))
        if size < 1000:
            assert await ends.socket.receive_bytes() == b"x" * size
        else:
            with pytest.raises(WebSocketClosed, match="1009"):
                await within(ends.socket.receive_bytes())


async def test_zero_is_no_limit(side: Side) -> None:
    async with side(max_message_size=0) as ends:
        sending_it = asyncio.create_task(ends.peer.send_frame(frames.binary(BIG * 2)))
        assert len(await within(ends.socket.receive_bytes())) == 2 * len(BIG)
        await sending_it


async def test_alive_is_who_answers(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        asking = asyncio.create_task(ends.socket.is_alive(5))
        ping = await ends.peer.read_frame()
        assert ping.opcode == Opcode.PING
        await ends.peer.send_frame(frames.pong(ping.payload))
        assert await within(asking)
        reading.cancel()


async def test_alive_is_who_says_anything_at_all(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        asking = asyncio.create_task(ends.socket.is_alive(5))
        await ends.peer.read_frame()
        await ends.peer.send_frame(frames.text("busy"))
        assert await within(asking)
        reading.cancel()


async def test_not_alive_is_who_is_silent(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        assert not await ends.socket.is_alive(0.02)
        assert not ends.socket.closed
        reading.cancel()


async def test_not_alive_is_who_closes_when_asked(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        asking = asyncio.create_task(ends.socket.is_alive(0.5))
        await ends.peer.read_frame()
        await ends.peer.send_frame(frames.close(1000))
        assert not await within(asking)
        with pytest.raises(WebSocketClosed):
            await within(reading)


async def test_not_alive_is_who_does_not_read(side: Side) -> None:
    async with blocked(side) as (ends, _):
        assert not await within(ends.socket.is_alive(0.02))


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(side: Side) -> None:
    async with blocked(side, close_timeout=0.05) as (ends, senders):
        await within(ends.socket.close(1001))
        await check_all_closed(senders, 1001)


async def test_dropping_frees_the_senders(side: Side) -> None:
    async with blocked(side) as (ends, senders):
        ends.socket.abort("too slow")
        await check_all_closed(senders, ABNORMAL)


async def test_a_lost_heartbeat_frees_the_senders(side: Side) -> None:
    async with blocked(side, heartbeat=0.05) as (ends, senders):
        with pytest.raises(WebSocketClosed):
            await within(ends.socket.receive())
        await check_all_closed(senders, ABNORMAL)


async def test_one_cancelled_sender_cancels_no_other(side: Side) -> None:
    """Trap: aiohttp has all who wait for a slow peer wait for one future (#12307)."""
    async with blocked(side) as (ends, senders):
        senders.pop().cancel()
        await settle()
        assert not any(sender.done() for sender in senders)
        assert not await ends.socket.is_alive(0.01)
        assert not any(sender.done() for sender in senders)


async def test_the_reader_does_not_wait_for_a_peer_that_pings_and_does_not_read(
    side: Side,
) -> None:
    delivered: list[bytes] = []
    async with blocked(side, heartbeat=0.2) as (ends, senders):
        reading = asyncio.create_task(ends.socket.pump(delivered.append))
        for _ in range(1000):
            await ends.peer.send_frame(frames.ping(b"x" * 125))
        await ends.peer.send_frame(frames.text("still read"))
        await eventually(lambda: delivered == [b"still read"])
        with pytest.raises(WebSocketClosed):
            await within(reading)
        await check_all_closed(senders, ABNORMAL)


async def check_all_closed(senders: list[asyncio.Task[None]], code: int) -> None:
    results = await within(asyncio.gather(*senders, return_exceptions=True))
    assert [getattr(result, "code", result) for result in results] == [code] * len(senders)


class blocked:
    """A connection whose peer does not read, with tasks that wait to send more."""

    def __init__(self, side: Side, **settings: Any) -> None:
        self._making = side(**{"heartbeat": None, **settings})
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> tuple[Ends, list[asyncio.Task[None]]]:
        ends = await self._making.__aenter__()
        ends.peer.stop_reading()
        for _ in range(4):
            self._senders.append(asyncio.create_task(ends.socket.send_bytes(BIG * 4)))
        await settle()
        assert not any(sender.done() for sender in self._senders)
        return ends, self._senders

    async def __aexit__(self, *error: Any) -> None:
        await self._making.__aexit__(*error)
        await within(asyncio.gather(*self._senders, return_exceptions=True))


async def test_before_the_accept_nothing_works_but_closing() -> None:
    async with handshake() as (socket, _, _):
        assert (socket.accepted, socket.closed) == (False, False)
        for use in (socket.send("x"), socket.send_bytes(b"x"), socket.receive()):
            with pytest.raises(WebSocketNotAccepted, match="await accept"):
                await use
        await socket.close(1008)
        assert (socket.accepted, socket.closed) == (False, True)
        with pytest.raises(WebSocketClosed, match="1008"):
            await socket.accept()


async def test_accepting_a_client_that_has_gone_says_so() -> None:
    async with handshake() as (socket, client, upgrading):
        client.reset()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await upgrading
        await settle()
        with pytest.raises(WebSocketClosed) as closed:
            await socket.accept()
        assert closed.value.code == ABNORMAL
        assert socket.closed


async def test_accepting_again_does_nothing(side: Side) -> None:
    async with side() as ends:
        await ends.socket.accept()
        assert ends.socket.accepted
        await ends.peer.send_frame(frames.text("open"))
        assert await ends.socket.receive() == "open"


async def test_a_socket_equals_itself_only(side: Side) -> None:
    async with side() as one, side() as two:
        assert one.socket == one.socket
        assert one.socket != two.socket
        assert len({one.socket, two.socket}) == 2


async def test_all_sockets_are_closed_at_once(side: Side) -> None:
    sockets = OpenSockets()
    async with side(close_timeout=0.2) as one, side(close_timeout=0.2) as silent:
        readers = [asyncio.create_task(read_and_remove(sockets, ends)) for ends in (one, silent)]
        await eventually(lambda: len(sockets) == 2)
        closing = asyncio.create_task(sockets.close_all(1001, "the bot stops"))
        assert (await one.peer.read_close()).close_code == 1001
        await within(closing)
        assert len(sockets) == 0
        assert [(await reader).code for reader in readers] == [1001, 1001]


async def test_closing_all_waits_for_no_reader_that_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.websocket.READER_GRACE", 0.01)
    sockets = OpenSockets()
    async with server_side(close_timeout=0.01) as ends:
        sockets.add(ends.socket)
        await within(sockets.close_all(1001, "the bot stops"))
        sockets.remove(ends.socket)
        sockets.remove(ends.socket)
    await OpenSockets().close_all(1001, "nobody")


async def read_and_remove(sockets: OpenSockets, ends: Ends) -> WebSocketClosed:
    sockets.add(ends.socket)
    try:
        await ends.socket.pump(lambda _: None)
    except WebSocketClosed as closed:
        return closed
    finally:
        sockets.remove(ends.socket)
