"""Tests of the clock and of waiting for conditions."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.clock import FakeClock
from tests.support.waiting import eventually, settle, within


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
