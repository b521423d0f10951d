"""`WebSocket` over aiohttp, server and client side alike: messages, and peers of every kind."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp import ReceiveConflict, WebSocketClosed, WebSocketNotAccepted
from tests.support import frames, scripts
from tests.support.frames import Frame, Opcode
from tests.support.server import Connection, ScriptedServer
from tests.support.sides import (
    BIG,
    READERS,
    Reader,
    Side,
    blocked,
    client_side,
    handshake,
    pump,
)
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

ABNORMAL = 1006


@pytest.mark.promise("reverse: receiving converts between text and binary")
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


async def test_bytes_that_are_not_text_end_a_receive_of_text(side: Side) -> None:
    async with side() as ends:
        await ends.peer.send_frame(frames.binary(b"\xff"), frames.binary(b"\xff"))
        assert await ends.socket.receive_bytes() == b"\xff"
        receiving = asyncio.create_task(ends.socket.receive())
        assert (await ends.peer.read_close()).close_code == 1007
        with pytest.raises(WebSocketClosed, match="1007"):
            await receiving


@pytest.mark.parametrize("data", [{"text": 1}, 5, None, b"bytes"])
async def test_what_is_no_text_is_not_sent_and_json_is_offered(side: Side, data: Any) -> None:
    """Trap: aiohttp says `data argument must be str`, which names no remedy."""
    async with side() as ends:
        text = rf"send\(\) takes text, not {type(data).__name__}: json.dumps"
        with pytest.raises(TypeError, match=text):
            await ends.socket.send(data)
        await ends.socket.send("still open")
        assert (await ends.peer.read_frame()).text == "still open"


async def test_what_is_not_bytes_is_not_sent_as_bytes(side: Side) -> None:
    async with side() as ends:
        wrong: Any = "text"
        with pytest.raises(TypeError, match=r"send_bytes\(\) takes bytes, not str: send\(\)"):
            await ends.socket.send_bytes(wrong)
        await ends.socket.send("still open")
        assert (await ends.peer.read_frame()).text == "still open"


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


@pytest.mark.promise("reverse: pings are answered")
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


@pytest.mark.promise("reverse: text and binary frames arrive as bytes")
async def test_the_reader_delivers_bytes_of_both_kinds(side: Side) -> None:
    delivered: list[bytes] = []
    async with side() as ends:
        await ends.peer.send_frame(frames.text("ascii"), frames.text("你好"), frames.text(""))
        await ends.peer.send_frame(frames.binary(b"\xff"), frames.close())
        with pytest.raises(WebSocketClosed):
            await ends.socket.pump(delivered.append)
    assert delivered == [b"ascii", "你好".encode(), b"", b"\xff"]
    assert all(type(data) is bytes for data in delivered)


async def test_a_connection_that_falls_silent_keeps_no_message_alive(side: Side) -> None:
    delivered: list[bytes] = []
    async with side() as ends:
        reading = asyncio.create_task(ends.socket.pump(delivered.append))
        await ends.peer.send_frame(frames.binary(b"\xff" * 1000))
        await eventually(lambda: len(delivered) == 1)
        await settle()
        holders = gc.get_referrers(delivered[0])
        # Python 3.10 counts the test itself.
        assert [holder for holder in holders if holder is not sys._getframe()] == [delivered]
        reading.cancel()


async def test_a_socket_is_used_from_any_task(side: Side) -> None:
    """Trap: a WebSocket must be usable from another task (NoneBot 2.0.1)."""
    async with side() as ends:
        reading = asyncio.create_task(ends.socket.receive())
        await asyncio.gather(*(ends.socket.send(f"{number:05}" * 1000) for number in range(20)))
        texts = {(await ends.peer.read_frame()).text for _ in range(20)}
        assert texts == {f"{number:05}" * 1000 for number in range(20)}
        await ends.peer.send_frame(frames.text("answer"))
        assert await reading == "answer"


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


async def test_zero_means_no_limit(side: Side) -> None:
    async with side(max_message_size=0) as ends:
        sending_it = asyncio.create_task(ends.peer.send_frame(frames.binary(BIG * 2)))
        assert len(await within(ends.socket.receive_bytes())) == 2 * len(BIG)
        await sending_it


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


async def test_accepting_a_client_that_goes_meanwhile_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(request: object) -> None:
        raise ConnectionResetError("gone")

    async with handshake() as (socket, _, _):
        monkeypatch.setattr(socket.response, "prepare", fail)
        with pytest.raises(WebSocketClosed, match="1006: gone"):
            await socket.accept()
        assert (socket.accepted, socket.closed) == (False, True)


async def test_a_socket_whose_transport_aiohttp_hides_works(side: Side) -> None:
    async with side() as ends:
        ends.socket._transport, hidden = None, ends.socket._transport
        await ends.socket.send("x")
        assert (await ends.peer.read_frame()).text == "x"
        ends.socket._transport = hidden


@pytest.mark.promise("reverse: accepting a client socket does nothing")
async def test_accepting_again_does_nothing(side: Side) -> None:
    async with side() as ends:
        await ends.socket.accept()
        assert (ends.socket.accepted, ends.socket.closed) == (True, False)
        await ends.peer.send_frame(frames.text("open"))
        assert await ends.socket.receive() == "open"


async def test_a_socket_equals_itself_only(side: Side) -> None:
    async with side() as one, side() as two:
        assert one.socket == one.socket
        assert one.socket != two.socket
        assert len({one.socket, two.socket}) == 2


# Peers that are slow, silent or do not read


@pytest.mark.parametrize("answer", [None, frames.text("busy")], ids=["pong", "anything else"])
async def test_a_peer_that_answers_is_alive(side: Side, answer: Frame | None) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        asking = asyncio.create_task(ends.socket.is_alive(5))
        ping = await ends.peer.read_frame()
        assert ping.opcode == Opcode.PING
        await ends.peer.send_frame(answer or frames.pong(ping.payload))
        assert await within(asking)
        reading.cancel()


async def test_a_silent_peer_is_not_alive(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        assert not await ends.socket.is_alive(0.02)
        assert not ends.socket.closed
        reading.cancel()


async def test_a_peer_that_closes_when_asked_is_not_alive(side: Side) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        asking = asyncio.create_task(ends.socket.is_alive(60))
        await ends.peer.read_frame()
        await ends.peer.send_frame(frames.close(1000))
        assert not await within(asking)
        with pytest.raises(WebSocketClosed):
            await within(reading)


async def test_a_peer_that_does_not_read_is_not_alive(side: Side) -> None:
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
    """Trap: in aiohttp all tasks that wait for a slow peer wait for one future (#12307)."""
    async with blocked(side) as (ends, senders):
        senders.pop().cancel()
        await settle()
        assert not any(sender.done() for sender in senders)
        assert not await ends.socket.is_alive(0.01)
        assert not any(sender.done() for sender in senders)


async def test_the_reader_does_not_wait_for_a_peer_that_pings_and_does_not_read(side: Side) -> None:
    delivered: list[bytes] = []
    async with blocked(side) as (ends, senders):
        reading = asyncio.create_task(ends.socket.pump(delivered.append))
        for _ in range(3000):
            await ends.peer.send_frame(frames.ping(b"x" * 125))
        await ends.peer.send_frame(frames.text("still read"))
        await eventually(lambda: delivered == [b"still read"])
        # Else there were too few of them: aiohttp lets a writer wait after 64 KiB, 3.14 after 256.
        assert ends.socket._pong is not None
        assert not ends.socket._pong.done()
        ends.socket.abort("too slow")
        with pytest.raises(WebSocketClosed):
            await within(reading)
        await check_all_closed(senders, ABNORMAL)


async def check_all_closed(senders: list[asyncio.Task[None]], code: int) -> None:
    results = await within(asyncio.gather(*senders, return_exceptions=True))
    assert [getattr(result, "code", result) for result in results] == [code] * len(senders)


async def test_aiohttp_gives_a_pong_half_of_the_heartbeat_unless_told_otherwise() -> None:
    """Trap: it is told by a private name, which `nonebot2.client` sets."""
    hasty_has_ended = asyncio.Event()

    async def answer_late(connection: Connection) -> None:
        await connection.upgrade()
        await connection.read_frame()
        await hasty_has_ended.wait()
        await connection.send_frame(frames.text("late"))
        await connection.send_frame(frames.close(1000))
        await connection.read_to_end()

    async with (
        ScriptedServer(answer_late, scripts.half_open()) as server,
        aiohttp.ClientSession() as session,
    ):
        patient = await session.ws_connect(server.ws_url, heartbeat=0.1)
        assert patient._pong_heartbeat == 0.05
        patient._pong_heartbeat = 60.0
        receiving = asyncio.ensure_future(patient.receive())
        hasty = await session.ws_connect(server.ws_url, heartbeat=0.1)
        assert (await within(hasty.receive())).type is not aiohttp.WSMsgType.TEXT
        hasty_has_ended.set()
        assert (await within(receiving)).data == "late"
        await patient.close()
