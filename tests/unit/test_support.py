"""Tests of what the tests share: scripted peers, frames, the clock, and waiting."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import frames, scripts
from tests.support.client import RawClient
from tests.support.clock import FakeClock
from tests.support.frames import Frame, Opcode
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops


async def test_waiting_for_an_attempt_that_does_not_come_fails() -> None:
    async with ScriptedServer(scripts.hang()) as server:
        with pytest.raises(AssertionError, match="attempt 1 to connect"):
            await server.attempt(1, timeout=0.01)


@pytest.mark.parametrize("after_request", [False, True])
async def test_reset(after_request: bool) -> None:
    async with ScriptedServer(scripts.reset(after_request)) as server:
        async with await RawClient.connect(server.port) as client:
            with pytest.raises(ConnectionError):
                await client.request("GET", "/")
        assert len(server.attempts[0].requests) == after_request


async def test_a_mistake_in_a_script_fails_the_test() -> None:
    async def mistaken(connection: Connection) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with (
            ScriptedServer(mistaken) as server,
            await RawClient.connect(server.port) as client,
        ):
            await client.read_to_end()

    with pytest.raises(ZeroDivisionError):
        await run()


async def test_the_client_resets() -> None:
    async with ScriptedServer(scripts.hang()) as server:
        async with await RawClient.connect(server.port) as client:
            await server.attempt(1)
            client.reset()
        await eventually(lambda: server.attempts[0].ended)
        assert isinstance(server.attempts[0].error, ConnectionResetError)


# Frames, against the examples of RFC 6455 and against themselves


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


# The clock, and waiting for conditions


async def test_sleepers_wake_in_the_order_of_their_times(fake_clock: FakeClock) -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await fake_clock.sleep(seconds)
        woken.append((name, fake_clock.clock()))

    start = fake_clock.clock()
    tasks = [asyncio.create_task(sleeper(*args)) for args in (("b", 2), ("c", 9), ("a", 1))]
    await fake_clock.advance(5)
    assert woken == [("a", start + 1), ("b", start + 2)]
    assert (fake_clock.clock(), fake_clock.waiting) == (start + 5, 1)
    await fake_clock.advance(4)
    assert woken[2:] == [("c", start + 9)]
    assert fake_clock.sleeps == [2, 9, 1]
    await asyncio.gather(*tasks)


async def test_a_loop_of_sleeps_goes_on_within_one_advance(fake_clock: FakeClock) -> None:
    async def loop() -> None:
        while True:
            await fake_clock.sleep(1)

    task = asyncio.create_task(loop())
    await fake_clock.advance(3)
    assert fake_clock.sleeps == [1, 1, 1, 1]
    task.cancel()
    await settle()
    assert fake_clock.waiting == 0
    await fake_clock.advance(9)


async def test_eventually_fails_in_time_and_says_what_was_missing() -> None:
    with pytest.raises(AssertionError, match=r"the sun did not come true within 0\.01 s"):
        await eventually(lambda: False, timeout=0.01, what="the sun")


async def test_within_fails_instead_of_hanging() -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(AssertionError, match="nothing came"):
        await within(never, timeout=0.01)
