"""A peer that never falls silent leaves the event loop to the others."""

from __future__ import annotations

import asyncio

import pytest

from nonebot_aiohttp import WebSocketClosed
from nonebot_aiohttp.connections import fairness
from tests.support import frames
from tests.support.sides import Ends, Side
from tests.support.waiting import eventually, passes

pytestmark = pytest.mark.both_loops

MESSAGES = 8 * fairness.BETWEEN_LOOKS


@pytest.fixture(autouse=True)
def every_turn_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yield to the event loop at every look at the clock."""
    monkeypatch.setattr(fairness, "LONGEST_TURN", -1.0)


async def send_many(ends: Ends) -> None:
    """Send many small messages at once."""
    await ends.peer.send_frame(*(frames.text(str(number)) for number in range(MESSAGES)))


async def test_the_drivers_reader_yields_to_the_event_loop(side: Side) -> None:
    seen: list[int] = []
    async with side() as ends:
        await send_many(ends)
        with passes() as counted:
            reader = asyncio.ensure_future(ends.socket.pump(lambda _: seen.append(counted[0])))
            await eventually(lambda: len(seen) == MESSAGES)
        await ends.peer.send_frame(frames.close(1000))
        with pytest.raises(WebSocketClosed):
            await reader
    assert len(set(seen)) >= MESSAGES / fairness.BETWEEN_LOOKS


async def test_an_adapters_own_loop_yields_to_the_event_loop(side: Side) -> None:
    seen: list[int] = []
    async with side() as ends:
        await send_many(ends)
        with passes() as counted:
            for number in range(MESSAGES):
                assert await ends.socket.receive() == str(number)
                seen.append(counted[0])
    assert len(set(seen)) >= MESSAGES / fairness.BETWEEN_LOOKS


async def test_a_short_turn_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = fairness.Turns()
    await turn.look()
    monkeypatch.setattr(fairness, "LONGEST_TURN", 3600.0)
    with passes() as counted:
        await turn.look()
        assert counted[0] == 0


async def test_messages_are_counted_between_two_looks() -> None:
    turn = fairness.Turns()
    with passes() as counted:
        for _ in range(fairness.BETWEEN_LOOKS - 1):
            await turn.count()
        assert counted[0] == 0
        await turn.count()
        assert counted[0] == 1
