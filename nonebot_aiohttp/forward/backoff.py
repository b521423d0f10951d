"""How long to wait before the next attempt, and which failures are worth one.

Pure: it has no clock, no sleep and no I/O, and the random numbers are injected.
"""

from __future__ import annotations

import enum
import math
import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.http import HttpProcessingError

from ..exceptions import DuplicateBotError, SetupError
from ..options import DriverOptions

MINIMUM_DELAY = 1.0
"""Seconds that the first delay lasts at least."""

RETRY_AFTER_LIMIT = 3600.0
"""Seconds that a peer may keep a bot away by ``Retry-After``."""

_SECONDS = re.compile(r"\d+(\.\d*)?", re.ASCII)
_WORTH_RETRYING = {408, 425, 429}


class Verdict(enum.Enum):
    """What a failure means for the next attempt."""

    RETRY = "retry"
    SLOWLY = "retry at the slowest pace"
    FATAL = "never again"


def delays(
    interval: float, cap: float, rand: Callable[[], float] = random.random
) -> Iterator[float]:
    """Generate the delays in seconds after consecutive failures, without end.

    The first is ``interval``, but at least ``MINIMUM_DELAY``. Each further one is up to twice as
    long, until ``cap``.

    Args:
        rand: Random numbers in [0, 1), for the jitter: clients that lost the same server must not
            come back all at once.
    """
    first = max(interval, MINIMUM_DELAY)
    yield first
    ceiling = first
    while True:
        ceiling = min(ceiling * 2, cap)
        yield max(first, ceiling * (1 - rand() / 4))


def judge(error: BaseException) -> Verdict:
    """Decide what a failure means for the next attempt.

    FATAL is a setup that can never work. SLOWLY is a peer that refuses, where mostly a human has
    to act. RETRY is all the rest: the network, timeouts, DNS, TLS, a peer in trouble.
    """
    if isinstance(error, SetupError):
        return Verdict.FATAL
    if isinstance(error, DuplicateBotError):
        return Verdict.SLOWLY
    if isinstance(error, aiohttp.ClientResponseError) and not _passing(error):
        return Verdict.SLOWLY
    return Verdict.RETRY


def _passing(error: aiohttp.ClientResponseError) -> bool:
    # aiohttp gives a status of its own, mostly 400, to an answer that is not HTTP.
    garbled = isinstance(error.__cause__, HttpProcessingError)
    return garbled or error.status >= 500 or error.status in _WORTH_RETRYING


def retry_after(error: BaseException, now: datetime | None = None) -> float:
    """Read how many seconds the peer asks to wait; 0 when it does not (RFC 9110, section 10.2.3).

    Args:
        now: The current time, with time zone; None asks the system's clock.
    """
    if not isinstance(error, aiohttp.ClientResponseError) or error.headers is None:
        return 0.0
    value = error.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        # Some platforms send a fraction, and refuse again what comes earlier.
        seconds = float(math.ceil(min(float(value), RETRY_AFTER_LIMIT)))
    else:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return 0.0
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        seconds = (date - (now or datetime.now(timezone.utc))).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


class Pace:
    """The delays of one loop: they grow with failures, and begin anew after a stable time.

    Attributes:
        failing: Whether the last attempt failed.
    """

    def __init__(
        self,
        options: DriverOptions,
        clock: Callable[[], float],
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.failing = False
        self._options = options
        self._clock = clock
        self._rand = rand
        self._delays: Iterator[float] | None = None
        self._up_since: float | None = None

    def succeeded(self) -> bool:
        """Note a connection or an answered poll; tell whether that ends an outage."""
        recovered, self.failing = self.failing, False
        if self._up_since is None:
            self._up_since = self._clock()
        return recovered

    def failed(self, interval: float) -> float:
        """Note a failed attempt or an ended connection; give the seconds until the next attempt.

        Args:
            interval: The setup's own interval in seconds.
        """
        stable = self._up_since is not None and (
            self._clock() - self._up_since >= self._options.stable_after
        )
        if stable or self._delays is None:
            self._delays = delays(interval, self._options.backoff_max, self._rand)
        self.failing, self._up_since = True, None
        return next(self._delays)

    def slowest(self, interval: float) -> float:
        """Give the seconds of the slowest pace, for a setup of that interval."""
        return max(self._options.backoff_max, interval, MINIMUM_DELAY)
