"""A clock that only tests move."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from tests.support.waiting import eventually, settle


class FakeClock:
    """Stands in for `time.monotonic` and `asyncio.sleep`; keeps the seconds of every sleep."""

    def __init__(self, start: float = 1000.0) -> None:
        self.sleeps: list[float] = []
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def clock(self) -> float:
        """Return the time in seconds; the place of `time.monotonic`."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance()` has moved the clock by `seconds`; the place of `asyncio.sleep`."""
        self.sleeps.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    @property
    def waiting(self) -> int:
        """The number of sleepers that have neither woken nor been cancelled."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def slept(self, count: int) -> float:
        """Wait until there were `count` sleeps in all; return the seconds of the last of these."""
        await eventually(lambda: len(self.sleeps) >= count, what=f"sleep number {count}")
        return self.sleeps[count - 1]

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking each sleeper at its own time and in order.

        A sleep that a woken sleeper asks for counts too if it ends within `seconds`.
        """
        target = self._now + seconds
        await settle()
        while (due := self._next_due()) is not None and due <= target:
            self._now = due
            heapq.heappop(self._sleepers)[2].set_result(None)
            await settle()
        self._now = target

    async def advance_to_next(self) -> float:
        """Wait for a sleeper, move the clock to the end of the next sleep; return the seconds."""
        await eventually(lambda: self.waiting, what="a sleeper")
        due = self._next_due()
        assert due is not None
        moved = due - self._now
        await self.advance(moved)
        return moved

    def _next_due(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None
