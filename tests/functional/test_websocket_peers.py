"""Peers of a WebSocket that are slow, silent or do not read, server and client side alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketClosed
from tests.support import frames
from tests.support.frames import Frame, Opcode
from tests.support.sides import (
    Ends,
    Side,
    pump,
)
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

ABNORMAL = 1006
BIG = b"x" * (1 << 22)


@pytest.mark.parametrize("answer", [None, frames.text("busy")], ids=["pong", "anything else"])
async def test_alive_is_who_answers(side: Side, answer: Frame | None) -> None:
    async with side() as ends:
        reading = asyncio.ensure_future(pump(ends))
        asking = asyncio.create_task(ends.socket.is_alive(5))
        ping = await ends.peer.read_frame()
        assert ping.opcode == Opcode.PING
        await ends.peer.send_frame(answer or frames.pong(ping.payload))
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
        asking = asyncio.create_task(ends.socket.is_alive(60))
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


class blocked:
    """A connection whose peer does not read, with tasks that wait to send more."""

    def __init__(self, side: Side, **settings: Any) -> None:
        self._making = side(**{"heartbeat": None, **settings})
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> tuple[Ends, list[asyncio.Task[None]]]:
        ends = await self._making.__aenter__()
        ends.peer.stop_reading()
        # The first one fills all buffers; more would only take long to mask.
        for data in (BIG * 4, BIG, BIG, BIG):
            self._senders.append(asyncio.create_task(ends.socket.send_bytes(data)))
        await settle()
        # On a machine that is slow a heartbeat can be lost by now.
        assert ends.socket.closed or not any(sender.done() for sender in self._senders)
        return ends, self._senders

    async def __aexit__(self, *error: Any) -> None:
        await self._making.__aexit__(*error)
        await within(asyncio.gather(*self._senders, return_exceptions=True))
