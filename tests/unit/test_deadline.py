"""How the parts of a stop share its time."""

from __future__ import annotations

import pytest

from nonebot_aiohttp.life.deadline import GRACE, LEAST_GRACE, SLICE, Deadline
from tests.support.clock import FakeClock

DRAIN, CLOSE = 20.0, 5.0


@pytest.fixture
def deadline(fake_clock: FakeClock) -> Deadline:
    """A stop that begins now, with the defaults."""
    return Deadline(DRAIN, CLOSE, fake_clock.clock)


async def test_events_have_the_drain_timeout(deadline: Deadline, fake_clock: FakeClock) -> None:
    assert deadline.for_events() == DRAIN
    await fake_clock.advance(15)
    assert deadline.for_events() == DRAIN - 15
    await fake_clock.advance(15)
    assert deadline.for_events() == 0


@pytest.mark.parametrize(("spent", "left"), [(0, 20), (5, 15), (19.5, CLOSE), (30, CLOSE)])
async def test_hooks_have_what_is_left_and_a_least(
    deadline: Deadline, fake_clock: FakeClock, spent: float, left: float
) -> None:
    await fake_clock.advance(spent)
    deadline.begin_hooks()
    assert deadline.for_hooks() == left
    await fake_clock.advance(3)
    assert deadline.for_hooks() == left - 3
    await fake_clock.advance(20)
    assert deadline.for_hooks() == 0


async def test_a_hook_that_hangs_leaves_a_slice_to_those_behind_it(
    deadline: Deadline, fake_clock: FakeClock
) -> None:
    await fake_clock.advance(DRAIN)
    deadline.begin_hooks()
    assert deadline.for_hooks(behind=1) == CLOSE - SLICE
    # Where there are many of them, half of what is left is its own.
    for expected in (2.5, 1.25, 0.625):
        assert deadline.for_hooks(behind=100) == expected
        await fake_clock.advance(expected)
    assert deadline.for_hooks() == 0.625


async def test_what_is_cut_off_shares_one_grace(deadline: Deadline, fake_clock: FakeClock) -> None:
    for spent, left in ((0.4, GRACE), (0.4, GRACE - 0.4), (0.4, GRACE - 0.8)):
        with deadline.grace() as seconds:
            assert seconds == pytest.approx(left)
            await fake_clock.advance(spent)
    # What ends at once has ended within it.
    assert deadline.for_grace == LEAST_GRACE


async def test_peers_share_one_close_timeout(deadline: Deadline, fake_clock: FakeClock) -> None:
    await fake_clock.advance(100)
    for spent, left in ((2, CLOSE), (2, CLOSE - 2), (4, CLOSE - 4), (1, 0)):
        with deadline.peers() as seconds:
            assert seconds == left
            await fake_clock.advance(spent)
        # What others do in between is not on their account.
        await fake_clock.advance(7)
    assert deadline.for_peers == 0


@pytest.mark.promise("life: one deadline bounds the whole stop")
async def test_all_at_once_take_no_longer_than_the_sum(
    deadline: Deadline, fake_clock: FakeClock
) -> None:
    began = fake_clock.clock()
    await fake_clock.advance(deadline.for_events())
    with deadline.peers() as seconds:
        await fake_clock.advance(seconds)
    deadline.begin_hooks()
    for behind in (2, 1, 0):
        await fake_clock.advance(deadline.for_hooks(behind))
    with deadline.peers() as seconds:
        await fake_clock.advance(seconds)
    assert fake_clock.clock() - began == DRAIN + CLOSE + CLOSE
