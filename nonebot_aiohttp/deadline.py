"""``Deadline``: the one deadline of a stop, and how its parts share the time.

It guards the promise that a stop ends: no part brings a limit of its own, so limits do not add up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Deadline:
    """How long the parts of one stop may take, from its beginning on.

    Events in flight have ``aiohttp_drain_timeout``. Hooks have what is left of it, but at least
    ``aiohttp_close_timeout``. Peers, and threads after them, share one more
    ``aiohttp_close_timeout``, whoever of them needs it first. With the defaults these are
    20 + 5 + 5 seconds at most.
    """

    def __init__(
        self,
        drain_timeout: float,
        close_timeout: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Begin to count.

        Args:
            drain_timeout: Seconds for the events in flight.
            close_timeout: Seconds that hooks get at least; and seconds for all peers together.
            clock: Monotonic seconds; None is the clock of the running event loop.
        """
        self._clock = clock or asyncio.get_running_loop().time
        self._close_timeout = close_timeout
        self._end_of_drain = self._clock() + drain_timeout
        self._end_of_hooks: float | None = None
        self._for_peers = close_timeout

    def for_events(self) -> float:
        """Tell how many seconds the events in flight have left."""
        return max(self._end_of_drain - self._clock(), 0.0)

    def for_hooks(self, *, more_follow: bool = False) -> float:
        """Tell how many seconds the next hook, or group of hooks, may take.

        The time for all of them begins with the first question.

        Args:
            more_follow: Whether others run behind it. Then it may take half of what is left, so
                that one that hangs does not skip those behind it.
        """
        now = self._clock()
        if self._end_of_hooks is None:
            self._end_of_hooks = max(self._end_of_drain, now + self._close_timeout)
        left = max(self._end_of_hooks - now, 0.0)
        return left / 2 if more_follow else left

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
