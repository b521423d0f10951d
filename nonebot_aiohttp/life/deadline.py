"""``Deadline``: the one deadline of a stop, and how its parts share the time.

It guards the promise that a stop ends: no part brings a limit of its own, so limits do not add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLICE = 0.25
"""Seconds that a hook leaves to each of those behind it."""

GRACE = 1.0
"""Seconds, all together, for what was cut off to end: it may clean up slowly, or refuse."""

LEAST_GRACE = 0.02
"""Seconds that each gets of it at least, so that what ends at once when cancelled has ended."""


class Deadline:
    """How long the parts of one stop may take, from its beginning on.

    Events in flight have ``aiohttp_drain_timeout``. Hooks have what is left of it, but at least
    ``aiohttp_close_timeout``. Peers, and threads after them, share one more
    ``aiohttp_close_timeout``, whoever of them needs it first. With the defaults these are
    20 + 5 + 5 seconds at most, and the grace for what was cut off.

    Attributes:
        all_ended: Whether all has ended by itself so far; who cuts something off sets it to False.
    """

    def __init__(
        self,
        drain_timeout: float,
        close_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count.

        Args:
            drain_timeout: Seconds for the events in flight.
            close_timeout: Seconds that hooks get at least; and seconds for all peers together.
            clock: Monotonic seconds. Not ``loop.time``: threads are waited for after the event loop
                has closed.
        """
        self.all_ended = True
        self._clock = clock
        self._close_timeout = close_timeout
        self._end_of_drain = self._clock() + drain_timeout
        self._end_of_hooks = self._end_of_drain + close_timeout
        self._for_peers = close_timeout
        self._for_graces = GRACE

    def for_events(self) -> float:
        """Tell how many seconds the events in flight have left."""
        return max(self._end_of_drain - self._clock(), 0.0)

    def begin_hooks(self) -> None:
        """Begin the time of the hooks.

        They may use the rest of ``aiohttp_drain_timeout``, but get at least
        ``aiohttp_close_timeout``.
        """
        self._end_of_hooks = max(self._end_of_drain, self._clock() + self._close_timeout)

    def for_hooks(self, behind: int = 0) -> float:
        """Tell how many seconds the next hook, or group of hooks, may take.

        Args:
            behind: How many run behind it. It leaves a slice to each of them, so that one that
                hangs does not skip those behind it; but half of what is left is its own.
        """
        left = max(self._end_of_hooks - self._clock(), 0.0)
        return max(left - behind * SLICE, left / 2)

    @property
    def for_peers(self) -> float:
        """Seconds that are left of the share of peers and threads."""
        return self._for_peers

    @contextmanager
    def peers(self) -> Iterator[float]:
        """Spend some of the share of peers and threads.

        Yields:
            Seconds that are left of it.
        """
        began = self._clock()
        try:
            yield self._for_peers
        finally:
            self._for_peers = max(self._for_peers - (self._clock() - began), 0.0)

    @property
    def for_grace(self) -> float:
        """Seconds that are left of the grace for what was cut off, or the least."""
        return max(self._for_graces, LEAST_GRACE)

    @contextmanager
    def grace(self) -> Iterator[float]:
        """Spend some of the grace for what was cut off.

        Yields:
            Seconds that are left of it, or the least.
        """
        began = self._clock()
        try:
            yield self.for_grace
        finally:
            self._for_graces = max(self._for_graces - (self._clock() - began), 0.0)
