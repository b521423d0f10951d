"""Whether a peer is there that is in the middle of sending: the probe counts bytes.

Trap: a pong cannot overtake a large frame (RFC 6455, section 5.4).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketClosed
from nonebot_aiohttp.connections.probe import counted_bytes, protocol_of
from tests.support import frames
from tests.support.certs import Tls
from tests.support.frames import Opcode
from tests.support.peer import Peer
from tests.support.sides import Ends, Side
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

IMAGE = bytes(range(256)) * (1 << 12)
"""A message that takes a while."""

CUT = 1000
"""How much of its frame is sent at first."""

PIECE = 16
"""Bytes that trickle in at once."""


@pytest.fixture(params=["plain", "tls"])
def encryption(request: pytest.FixtureRequest, tls: Tls) -> Tls | None:
    """Give what a connection is encrypted with, or nothing."""
    return tls if request.param == "tls" else None


@asynccontextmanager
async def sending(peer: Peer) -> AsyncIterator[bytes]:
    """Have a peer send the beginning of an image, and then more of it all the time.

    Gives what the message will be; the rest is sent at the end.
    """
    mask = b"mask" if peer.masks else None
    frame = frames.encode(frames.binary(IMAGE), mask)
    sent = CUT
    await peer.send(frame[:CUT])

    async def trickle() -> None:
        nonlocal sent
        while sent < len(frame) - PIECE:
            # As one piece, or else a cancellation would come between sending and counting.
            sent, before = sent + PIECE, sent
            peer._writer.write(frame[before:sent])
            await asyncio.sleep(0.001)

    task = asyncio.create_task(trickle())
    try:
        yield IMAGE
    finally:
        task.cancel()
        await asyncio.wait({task})
        with suppress(ConnectionError):
            await peer.send(frame[sent:])


@asynccontextmanager
async def reading(ends: Ends) -> AsyncIterator[list[bytes]]:
    """Read as the driver does; give the messages."""
    messages: list[bytes] = []
    task = asyncio.create_task(ends.socket.pump(messages.append))
    try:
        yield messages
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.promise("reverse: a peer that is in the middle of a message counts as alive")
async def test_a_peer_in_the_middle_of_a_message_is_alive(
    side: Side, encryption: Tls | None
) -> None:
    async with side(encryption) as ends, reading(ends) as messages:
        before = protocol_of(ends.socket.transport)
        assert before is not None
        async with sending(ends.peer) as image:
            assert await within(ends.socket.is_alive(0.2))
            assert protocol_of(ends.socket.transport) is before
        # Nothing of it was lost on the way, neither while it was counted nor after that.
        await eventually(lambda: messages == [image])
        await ends.socket.send("still open")
        ping, text = await ends.peer.read_frame(), await ends.peer.read_frame()
        assert (ping.opcode, text.text) == (Opcode.PING, "still open")


async def test_a_peer_that_stopped_in_the_middle_of_a_message_is_not_alive(
    side: Side, encryption: Tls | None
) -> None:
    """Bytes that came before the probe do not count."""
    async with side(encryption) as ends, reading(ends):
        before = protocol_of(ends.socket.transport)
        await ends.peer.send(frames.encode(frames.binary(IMAGE), b"mask")[:CUT])
        await settle()
        assert not await within(ends.socket.is_alive(0.05))
        assert protocol_of(ends.socket.transport) is before


async def test_a_peer_that_sends_and_does_not_read_is_alive(side: Side) -> None:
    """The ping cannot even be sent."""
    async with side(heartbeat=None) as ends, reading(ends):
        ends.peer.stop_reading()
        blocked = asyncio.create_task(ends.socket.send_bytes(bytes(16 << 20)))
        await settle()
        async with sending(ends.peer):
            assert not blocked.done()
            assert await within(ends.socket.is_alive(0.2))
            ends.socket.abort("enough")
        await asyncio.wait({blocked})
        assert isinstance(blocked.exception(), WebSocketClosed)


@pytest.mark.parametrize("end", ["fin", "reset", "our_abort", "our_close"])
async def test_one_that_ends_while_it_is_asked_is_not_alive(
    side: Side, encryption: Tls | None, end: str
) -> None:
    async with side(encryption, close_timeout=0.05) as ends, reading(ends):
        transport = ends.socket.transport
        async with sending(ends.peer):
            asking = asyncio.create_task(ends.socket.is_alive(60))
            await settle()
            counter = protocol_of(transport)
            if end == "our_close":
                await within(ends.socket.close())
            elif end == "our_abort":
                ends.socket.abort("enough")
            else:
                ends.peer.reset() if end == "reset" else ends.peer.abort()
            assert not await within(asking)
            assert ends.socket.closed
        await settle()
        # The counter is not kept after the end of the connection.
        assert protocol_of(transport) is not counter


async def test_a_message_whose_peer_then_closes_is_an_end(side: Side) -> None:
    async with side() as ends, reading(ends) as messages:
        async with sending(ends.peer) as image:
            asking = asyncio.create_task(ends.socket.is_alive(60))
            await settle()
        await ends.peer.send_frame(frames.close(1000))
        await within(asking)
        await eventually(lambda: ends.socket.closed)
        assert messages == [image]


# The counter itself


class Kept:
    """What a protocol keeps of what it is told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.told: list[str] = []

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


class Stream(Kept, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.data += data


class Buffered(Kept, asyncio.BufferedProtocol):
    _buffer = bytearray(100)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self._buffer[:nbytes]


@pytest.mark.parametrize("kind", [Stream, Buffered])
async def test_a_counter_hands_on_all_that_a_transport_says(kind: Any) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    protocol: Any = kind()
    transport: Any
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=ours)
    theirs.send(b"before")
    await eventually(lambda: protocol.data == b"before")
    with counted_bytes(transport) as counter:
        assert counter.count == 0
        theirs.send(b"12345")
        await eventually(lambda: counter.count == 5)
        transport.write(bytes(4 << 20))
        assert protocol.told == ["pause"]
        while protocol.told == ["pause"]:
            with suppress(BlockingIOError):
                theirs.recv(1 << 20)
            await asyncio.sleep(0)
    assert transport.get_protocol() is protocol
    theirs.send(b"after")
    await eventually(lambda: protocol.data == b"before12345after")
    with counted_bytes(transport) as counter:
        theirs.shutdown(socket.SHUT_WR)
        await eventually(lambda: protocol.told == ["pause", "resume", "eof"])
        transport.abort()
        await eventually(lambda: protocol.told[-1] == "lost")
    assert counter.count == 0
    assert transport.get_protocol() is None
    theirs.close()


async def test_nothing_is_counted_where_there_is_nothing() -> None:
    for transport in (None, asyncio.BaseTransport(), object()):
        with counted_bytes(transport) as counter:
            assert counter.count == 0
