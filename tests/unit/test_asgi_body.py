"""Bodies over ASGI get their time, and only the reader's own cancellation is taken for slowness."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import MutableMapping
from typing import Any

import pytest

from nonebot_aiohttp.options import DriverOptions
from nonebot_aiohttp.reverse.asgi_body import LOOKS, BodyReader
from nonebot_aiohttp.reverse.interface import Refused
from tests.support.waiting import settle, within

HEADERS: dict[str, str] = {}


class Peer:
    """Sends a body when it is told to."""

    def __init__(self) -> None:
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def receive(self) -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": await self.body}


def make_reader(seconds: float = 60) -> BodyReader:
    return BodyReader(DriverOptions(body_timeout=seconds))


def look(reader: BodyReader, times: int) -> None:
    """Let time pass by so many looks of the timer."""
    for _ in range(times):
        reader._look(asyncio.get_running_loop())


async def test_a_body_has_its_whole_time_and_then_is_refused() -> None:
    reader, peer, earlier = make_reader(), Peer(), Peer()
    reading_earlier = asyncio.ensure_future(reader.read(HEADERS, earlier.receive))
    await settle()
    look(reader, LOOKS)
    earlier.body.set_result(b"event")
    assert await within(reading_earlier) == b"event"
    reading = asyncio.ensure_future(reader.read(HEADERS, peer.receive))
    await settle()
    look(reader, LOOKS)
    await settle()
    assert not reading.done()
    look(reader, 1)
    with pytest.raises(Refused, match="aiohttp_body_timeout") as refused:
        await within(reading)
    assert refused.value.status == 408


async def test_a_body_that_comes_with_the_last_look_cancels_nothing_else() -> None:
    reader, peer = make_reader(), Peer()

    async def serve() -> str:
        try:
            return (await reader.read(HEADERS, peer.receive)).decode()
        except Refused:
            await asyncio.sleep(0)
            return "refused"

    serving = asyncio.ensure_future(serve())
    await settle()
    peer.body.set_result(b"late")
    look(reader, LOOKS + 1)
    assert await within(serving) in ("late", "refused")
    assert not serving.cancelled()


async def test_the_timer_rests_while_nobody_reads() -> None:
    reader, peer = make_reader(0.01), Peer()
    peer.body.set_result(b"event")
    assert await reader.read(HEADERS, peer.receive) == b"event"
    assert reader._timer_loop is not None
    look(reader, 1)
    assert reader._timer_loop is None
    assert await reader.read(HEADERS, peer.receive) == b"event"
    assert reader._timer_loop is not None


@pytest.mark.parametrize(
    "looks_later",
    [
        0,
        pytest.param(
            1,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="tasks count cancellations since 3.11"
            ),
        ),
    ],
)
async def test_the_hosts_cancellation_stays_one(looks_later: int) -> None:
    reader, peer = make_reader(), Peer()
    reading = asyncio.ensure_future(reader.read(HEADERS, peer.receive))
    await settle()
    look(reader, LOOKS)
    reading.cancel()
    look(reader, looks_later)
    with pytest.raises(asyncio.CancelledError):
        await within(reading)
    assert (reader._reading, reader._overdue) == ({}, set())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks count cancellations since 3.11")
async def test_the_hosts_cancellation_of_the_same_moment_stays_one() -> None:
    reader, peer = make_reader(), Peer()
    reading = asyncio.ensure_future(reader.read(HEADERS, peer.receive))
    await settle()
    look(reader, LOOKS + 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(reading)
    assert (reader._reading, reader._overdue) == ({}, set())


@pytest.mark.parametrize("error", [None, OSError("wrong")])
async def test_a_cancellation_that_receive_keeps_to_itself_is_taken_back(
    error: Exception | None,
) -> None:
    reader, forever = make_reader(), asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        try:
            await forever.wait()
        except asyncio.CancelledError:
            if error is not None:
                raise error from None
        return {"type": "http.request", "body": b"event"}

    reading = asyncio.ensure_future(reader.read(HEADERS, receive))
    await settle()
    look(reader, LOOKS + 1)
    if error is None:
        assert await within(reading) == b"event"
    else:
        with pytest.raises(OSError, match="wrong"):
            await within(reading)
    assert (reader._reading, reader._overdue) == ({}, set())
    if sys.version_info >= (3, 11):
        assert reading.cancelling() == 0


@pytest.mark.parametrize(
    ("length", "too_large"),
    [
        ("10", False),
        ("11", True),
        ("0" * 5000 + "10", False),
        ("0" * 5000 + "11", True),
        ("0" * 5000, False),
        ("9" * 5000, True),
        ("-11", False),
        ("1_1", False),
        ("\u00b2\u00b2", False),
    ],
    ids=lambda value: str(value)[:3] + str(value)[-3:],
)
async def test_a_declared_length_is_compared_whatever_it_looks_like(
    length: str, too_large: bool
) -> None:
    reader, peer = BodyReader(DriverOptions(max_body_size=10)), Peer()
    peer.body.set_result(b"event")
    headers = {"content-length": length}
    if too_large:
        with pytest.raises(Refused, match="larger than 10 bytes"):
            await reader.read(headers, peer.receive)
    else:
        assert await reader.read(headers, peer.receive) == b"event"


def test_the_tasks_of_a_loop_that_was_closed_stop_no_timer() -> None:
    reader, loop = make_reader(0.01), asyncio.new_event_loop()

    async def begin() -> asyncio.Task[bytes]:
        task = asyncio.ensure_future(reader.read(HEADERS, Peer().receive))
        await settle()
        return task

    left = loop.run_until_complete(begin())
    loop.close()

    async def read() -> None:
        with pytest.raises(Refused, match="aiohttp_body_timeout"):
            await within(reader.read(HEADERS, Peer().receive))

    asyncio.run(read())
    assert list(reader._reading) == []
    # Nobody can end it any more, and the event loop would complain of it.
    left._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_reader_serves_one_event_loop_after_the_other() -> None:
    """The timer of a loop that has ended rings no more."""
    reader = make_reader(0.01)

    async def wait_in_vain() -> int:
        # Its timer is left behind, waiting.
        peer = Peer()
        peer.body.set_result(b"event")
        await reader.read(HEADERS, peer.receive)
        with pytest.raises(Refused) as refused:
            await within(reader.read(HEADERS, Peer().receive))
        peer.body.get_loop().call_soon(reader._set_timer, peer.body.get_loop())
        await settle()
        return refused.value.status

    assert [asyncio.run(wait_in_vain()) for _ in range(2)] == [408, 408]
