"""Any frames on a WebSocket, on both sides of it: what is valid arrives, the rest is told why."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonebot_aiohttp import WebSocketClosed
from nonebot_aiohttp.connections.handshakes import CAN_KEEP_BYTES
from tests.stress.generated import many
from tests.stress.walking.reverse import BAD_FRAMES
from tests.support import frames
from tests.support.frames import Frame, Opcode
from tests.support.sides import SIDES, Ends
from tests.support.waiting import eventually, within

pytestmark = [pytest.mark.both_loops, pytest.mark.parametrize("side", SIDES)]

LIMIT = 1000

FORGETS_NOTHING = CAN_KEEP_BYTES
"""Whether aiohttp delivers what came in one piece with a frame that is invalid (3.14 does)."""


@dataclass
class Conversation:
    """What a peer sends, and what must come of it.

    Attributes:
        sent: The valid frames.
        end: A close, or frames of which one must not be.
        messages: What is delivered.
        pings: The payloads that pongs bring back.
        code: The code by which this side closes, or with which it answers a close.
    """

    sent: list[Frame] = field(default_factory=list)
    end: list[Frame] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    code: int | None = None

    def control(self, frame: Frame) -> None:
        self.sent.append(frame)
        if frame.opcode == Opcode.PING:
            self.pings.append(frame.payload)

    def message(self, kind: Opcode, data: bytes, cuts: list[int], between: list[Frame]) -> None:
        """Send a message in pieces, with control frames between them."""
        self.code = self._verdict(kind, data)
        if self.code is None:
            self.messages.append(data)
        places = [*sorted({0, *(cut % (len(data) + 1) for cut in cuts)}), len(data)]
        for number, (start, end) in enumerate(pairwise(places)):
            if number and between and self.code is None:
                self.control(between[number % len(between)])
            opcode = Opcode.CONTINUATION if number else kind
            piece = Frame(opcode, data[start:end], fin=number == len(places) - 2)
            (self.sent if self.code is None else self.end).append(piece)

    def _verdict(self, kind: Opcode, data: bytes) -> int | None:
        if len(data) > LIMIT:
            return 1009
        try:
            data.decode() if kind is Opcode.TEXT else None
        except UnicodeDecodeError:
            return 1007
        return None


controls = st.builds(Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))
payloads = st.text(max_size=200).map(str.encode) | st.binary(max_size=60)
kinds = st.sampled_from([Opcode.TEXT, Opcode.BINARY])
sizes = st.lists(st.integers(0, 1100), max_size=4)
codes = st.sampled_from([1000, 1001, 1003, 1008, 1011, 1012, 3000, 4999])


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Draw messages and control frames, and then an end: a close, or what must not be."""
    talk = Conversation()
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            talk.control(draw(controls))
        elif talk.code is None:
            between = draw(st.lists(controls, max_size=3))
            talk.message(draw(kinds), draw(payloads), draw(sizes), between)
        if talk.code is not None:
            return talk
    end = draw(st.sampled_from(["close", "large", *BAD_FRAMES]))
    if end == "large":
        talk.message(draw(kinds), b"x" * draw(st.integers(LIMIT + 1, 5000)), draw(sizes), [])
    elif end == "close":
        talk.code = draw(codes)
        talk.end = [frames.close(talk.code, draw(st.text("abc é早", max_size=30)))]
    else:
        talk.code, bad = BAD_FRAMES[end]
        talk.end = list(bad)
    return talk


def encoded(ends: Ends, sent: list[Frame]) -> bytes:
    masks = ends.peer.masks
    return b"".join(frames.encode(frame, os.urandom(4) if masks else None) for frame in sent)


async def ending(pumping: asyncio.Task[None]) -> WebSocketClosed:
    """Wait for the end of the reader, which must be the one kind of error."""
    with pytest.raises(WebSocketClosed) as raised:
        await within(pumping)
    return raised.value


@many
@given(talk=conversations())
async def test_what_is_valid_arrives_and_the_rest_is_told_why(
    side: str, talk: Conversation
) -> None:
    """Fragments and control frames in between change nothing."""
    delivered: list[bytes] = []
    async with SIDES[side](max_message_size=LIMIT, heartbeat=None) as ends:
        pumping = asyncio.ensure_future(ends.socket.pump(delivered.append))
        answers: list[Frame] = []
        if not FORGETS_NOTHING:
            await ends.peer.send(encoded(ends, talk.sent))
            answers += [await ends.peer.read_frame() for _ in talk.pings]
            await eventually(lambda: len(delivered) == len(talk.messages))
        await ends.peer.send(encoded(ends, talk.sent * FORGETS_NOTHING + talk.end))
        while (frame := await ends.peer.read_frame()).opcode != Opcode.CLOSE:
            answers.append(frame)
        await ends.peer.send(encoded(ends, [Frame(Opcode.CLOSE, frame.payload[:2])]))
        closed = await ending(pumping)
    assert delivered == talk.messages
    assert [(answer.opcode, answer.payload) for answer in answers] == [
        (Opcode.PONG, ping) for ping in talk.pings
    ]
    assert closed.code == talk.code
    if talk.end[-1].opcode != Opcode.CLOSE or len(talk.end[-1].payload) < 2:
        assert frame.close_code == talk.code


@many
@given(data=st.binary(max_size=300))
async def test_any_bytes_end_in_the_one_kind_of_error(side: str, data: bytes) -> None:
    """Trap: what ends a connection surfaces as `TypeError` (NoneBot2 2.5)."""
    delivered: list[bytes] = []
    async with SIDES[side](max_message_size=LIMIT, heartbeat=None, close_timeout=0.2) as ends:
        pumping = asyncio.ensure_future(ends.socket.pump(delivered.append))
        await ends.peer.send(data)
        ends.peer.end_writing()
        await ending(pumping)
        assert ends.socket.closed
    assert all(type(message) is bytes for message in delivered)
