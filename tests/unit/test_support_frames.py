"""Tests of the frame codec, against the examples of RFC 6455 and against itself."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import frames
from tests.support.frames import Frame, Opcode


def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("frame", "mask", "wire"),
    [
        (frames.text("Hello"), None, "810548656c6c6f"),
        (frames.text("Hello"), "37fa213d", "818537fa213d7f9f4d5158"),
        (Frame(Opcode.TEXT, b"Hel", fin=False), None, "010348656c"),
        (Frame(Opcode.CONTINUATION, b"lo"), None, "80026c6f"),
        (frames.ping(b"Hello"), None, "890548656c6c6f"),
    ],
)
def test_encodes_the_examples_of_section_5_7(frame: Frame, mask: str | None, wire: str) -> None:
    assert frames.encode(frame, bytes.fromhex(mask) if mask else None) == bytes.fromhex(wire)


@pytest.mark.parametrize(
    ("length", "wire"),
    [
        (125, "827d"),
        (126, "827e007e"),
        (65535, "827effff"),
        (65536, "827f0000000000010000"),
        (1 << 40, "827f0000010000000000"),
    ],
)
def test_a_header_may_announce_any_length(length: int, wire: str) -> None:
    assert frames.encode_header(frames.binary(b""), length) == bytes.fromhex(wire)


@given(
    opcode=st.sampled_from(Opcode),
    payload=st.binary(max_size=300) | st.integers(65530, 65540).map(bytes),
    fin=st.booleans(),
    rsv1=st.booleans(),
    mask=st.none() | st.binary(min_size=4, max_size=4),
)
async def test_reads_what_it_encodes(
    opcode: Opcode, payload: bytes, fin: bool, rsv1: bool, mask: bytes | None
) -> None:
    frame = Frame(opcode, payload, fin, rsv1, masked=mask is not None)
    assert await frames.read_frame(reader_of(frames.encode(frame, mask))) == frame
