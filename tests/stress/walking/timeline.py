"""The time of each forward loop: moved by its walker, or the real one; both check the delays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from nonebot_aiohttp import DriverOptions
from nonebot_aiohttp.forward.backoff import MINIMUM_DELAY

current: ContextVar[Timeline] = ContextVar("current")
"""The timeline of the loop that runs; set where its setup is added, which the loop inherits."""


def sleep(seconds: float) -> Coroutine[Any, Any, None]:
    """Wait on the running loop's timeline; stands in for ``asyncio.sleep``."""
    return current.get().sleep(seconds)


def clock() -> float:
    """Return the running loop's time; stands in for ``time.monotonic``."""
    return current.get().now


class Timeline:
    """The time of one loop, which stands still until its walker moves it.

    Attributes:
        now: The time in seconds.
        moves_by_itself: Whether the loop wakes without its walker.
        waiting: Whether the loop waits after a failure.
        is_up: Whether the walker has seen the connection work.
        floor: Seconds that the next delay has at least, as the peer or a verdict demands.
        failures: How many delays there were.
        problems: Delays that should have been others.
    """

    moves_by_itself = False

    def __init__(
        self, options: DriverOptions, interval: float, on_failure: Callable[[], object]
    ) -> None:
        """Begin with the setup's interval; ``on_failure`` is called at the end of an attempt."""
        self.waiting = False
        self.is_up = False
        self.floor = 0.0
        self.failures = 0
        self.problems: list[str] = []
        self._options = options
        self._interval = interval
        self._on_failure = on_failure
        self._in_a_row = 0
        self._now = 0.0
        self._woken = asyncio.Event()

    @property
    def now(self) -> float:
        return self._now

    @property
    def slowest(self) -> float:
        return max(self._options.backoff_max, self._interval, MINIMUM_DELAY)

    async def sleep(self, seconds: float) -> None:
        """Wait until the walker wakes the loop; pauses after successes take no time."""
        if seconds < MINIMUM_DELAY:
            await asyncio.sleep(0)
            return
        self._check(seconds)
        self.waiting, self.is_up = True, False
        self._woken.clear()
        self._on_failure()
        try:
            await self._pass(seconds)
        finally:
            self.waiting = False

    def wake(self) -> None:
        """Let the loop make its next attempt."""
        # Here, not in the woken loop: the walker must not take the last wait for the next one.
        self.waiting = False
        self._woken.set()

    def stay_up(self) -> None:
        """Let a connection that has proved to be up last, so that the delays begin anew."""
        if self.is_up:
            self._now += self._options.stable_after + 1
            self._in_a_row = 0

    async def _pass(self, seconds: float) -> None:
        await self._woken.wait()
        self._now += seconds

    def _check(self, seconds: float) -> None:
        """Compare a delay with what the design says of it."""
        self.failures += 1
        low, high = self._expected()
        if not max(low, self.floor) - 0.001 <= seconds <= max(high, self.floor) + 0.001:
            self.problems.append(
                f"delay {self._in_a_row} in a row was {seconds:.2f} s,"
                f" not {low:.2f} to {high:.2f} or {self.floor:.2f} s"
            )
        self._in_a_row += 1

    def _expected(self) -> tuple[float, float]:
        first = max(self._interval, MINIMUM_DELAY)
        cap = max(self._options.backoff_max, first)
        ceiling = min(first * 2**self._in_a_row, cap)
        return max(first, 0.75 * ceiling) if self._in_a_row else first, ceiling


class RealTimeline(Timeline):
    """The real time; connections stay up as long as they do, so that only the cap is checked."""

    moves_by_itself = True

    @property
    def now(self) -> float:
        return time.monotonic()

    def wake(self) -> None:
        """Do nothing: the loop wakes by itself."""

    def stay_up(self) -> None:
        """Do nothing."""

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _expected(self) -> tuple[float, float]:
        return MINIMUM_DELAY, max(self._options.backoff_max, self._interval)
