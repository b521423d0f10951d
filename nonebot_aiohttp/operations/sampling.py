"""``Sampler``: looks at the counters once a second, so that nothing has to look at a clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from ..connections.fairness import in_turns
from ..connections.records import BotRecord
from ..life.watching import PeriodicWatch
from .status import Second

INTERVAL = 1.0
"""Seconds between two looks."""

KEPT = 300
"""Seconds that the history goes back."""

LAG_WINDOW = 60
"""Looks of which the worst lag is told."""

A_TURN = 500
"""Bots that are looked at before others have their turn of the event loop."""

Totals = tuple[int, ...]


class Sampler(PeriodicWatch):
    """Notes what has happened in each second, when bots got messages, and how late the loop is."""

    def __init__(
        self,
        totals: Callable[[], Totals],
        totals_in_turns: Callable[[], Awaitable[Totals]],
        records: Iterable[BotRecord],
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        """Take what is looked at.

        Args:
            totals: Counts everything of ``Second`` since the beginning, in the order of its fields.
            totals_in_turns: Does the same without blocking the loop.
            records: The records of the connected bots.
            clock: Gives monotonic seconds.
            time_of_day: Gives Unix seconds.
        """
        super().__init__(INTERVAL, "the counters")
        self._totals = totals
        self._records = records
        self._totals_in_turns = totals_in_turns
        self._clock = clock
        self._time_of_day = time_of_day
        self._due = 0.0
        self._last: Totals = ()
        self._lags: deque[float] = deque(maxlen=LAG_WINDOW)
        self._history: deque[Second] = deque(maxlen=KEPT)

    def start(self) -> None:
        """Start looking; what was before a pause is forgotten."""
        self._lags.clear()
        self._history.clear()
        self._last = self._totals()
        self._due = self._clock() + INTERVAL
        super().start()

    def stop(self) -> None:
        """Stop looking; from now on no lag is known."""
        super().stop()
        self._lags.clear()

    @property
    def lag(self) -> float | None:
        """The worst lag of the last minute in seconds; None until a second has passed."""
        return max(self._lags, default=None)

    def history(self) -> Sequence[Second]:
        """Give the last five minutes, the latest second last."""
        return tuple(self._history)

    async def look(self) -> None:
        """Note one second; see ``PeriodicWatch``."""
        self._lags.append(max(self._clock() - self._due, 0.0))
        totals, last = await self._totals_in_turns(), self._last
        self._last = totals
        self._history.append(Second(*(now - then for now, then in zip(totals, last, strict=True))))
        now = self._time_of_day()
        async for some in in_turns(tuple(self._records), A_TURN):
            for record in some:
                record.notice(now)
        self._due = self._clock() + INTERVAL
