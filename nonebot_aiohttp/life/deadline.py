"""``Deadline``: the one deadline of a stop, and how the parts of the stop share its time.

It guards the promise that a stop ends. No part has a limit of its own, because such limits add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLICE = 0.25
"""Seconds that a hook leaves to each hook that runs after it."""

GRACE = 1.0
"""Seconds that all cancelled tasks share until they end: one may clean up slowly, or not end."""

LEAST_GRACE = 0.02
"""Seconds of grace that each wait gets at least: most tasks end at once when they are cancelled."""


class Deadline:
    """How long the parts of one stop may take; the time runs from the creation on.

    Events in flight have ``aiohttp_drain_timeout``. Hooks have what is left of it, but at least
    ``aiohttp_close_timeout``. Peers, and threads after them, share one more
    ``aiohttp_close_timeout``. With the defaults these are 20 + 5 + 5 seconds at most, and the
    grace for tasks that were cancelled.

    Attributes:
        all_ended: Whether everything has ended by itself so far. Code that cuts something off sets
            it to False.
    """

    def __init__(
        self,
        drain_timeout: float,
        close_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the time; the clock is not ``loop.time``, because the stop outlives the loop."""
        self.all_ended = True
        self._clock = clock
        self._close_timeout = close_timeout
        self._end_of_drain = self._clock() + drain_timeout
        self._end_of_hooks = self._end_of_drain + close_timeout
        self._peers_left = close_timeout
        self._grace_left = GRACE

    def for_events(self) -> float:
        """Return the seconds that the events in flight have left."""
        return max(self._end_of_drain - self._clock(), 0.0)

    def begin_hooks(self) -> None:
        """Start the time of the hooks."""
        self._end_of_hooks = max(self._end_of_drain, self._clock() + self._close_timeout)

    def for_hooks(self, behind: int = 0) -> float:
        """Return the seconds that the next hook may take while ``behind`` more wait for their turn.

        It leaves a slice to each of these, so that a hook that hangs does not take their turn away.
        Half of the time that is left is its own in any case.
        """
        left = max(self._end_of_hooks - self._clock(), 0.0)
        return max(left - behind * SLICE, left / 2)

    @property
    def for_peers(self) -> float:
        """Seconds that peers and threads have left."""
        return self._peers_left

    @contextmanager
    def peers(self) -> Iterator[float]:
        """Yield the seconds that peers and threads have left, and take off what the block takes."""
        began = self._clock()
        try:
            yield self._peers_left
        finally:
            self._peers_left = max(self._peers_left - (self._clock() - began), 0.0)

    @property
    def for_grace(self) -> float:
        """Seconds of grace that are left, at least ``LEAST_GRACE``."""
        return max(self._grace_left, LEAST_GRACE)

    @contextmanager
    def grace(self) -> Iterator[float]:
        """Yield the seconds of grace that are left, and take off what the block takes."""
        began = self._clock()
        try:
            yield self.for_grace
        finally:
            self._grace_left = max(self._grace_left - (self._clock() - began), 0.0)
