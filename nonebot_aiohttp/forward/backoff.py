"""How long to wait before the next attempt, and which failures are worth one.

Pure: it has no clock, no sleep and no I/O, and the random numbers are injected.
"""

from __future__ import annotations

import asyncio
import enum
import math
import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.http import HttpProcessingError

from ..exceptions import DuplicateBotError, SetupError, WebSocketClosed
from ..options import DriverOptions

MINIMUM_DELAY = 1.0
"""Seconds that the first delay lasts at least."""

RETRY_AFTER_LIMIT = 3600.0
"""Seconds that a peer may keep a bot away by ``Retry-After``."""

_SECONDS = re.compile(r"\d+(\.\d*)?", re.ASCII)
_WORTH_RETRYING = {408, 425, 429}

REMINDER = 3600.0
"""Seconds after which an outage that lasts is mentioned again."""

MOST_KINDS = 10
"""Kinds of failures of one outage that are told apart."""

_NETWORK = (
    aiohttp.ClientError,
    OSError,
    asyncio.TimeoutError,
    HttpProcessingError,
    DuplicateBotError,
)


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


class News:
    """Decides which failures of an outage are worth a line that an operator reads.

    Those are the first of each kind, then the 2nd, 4th, 8th and so on, and one in an hour. An
    outage of a night takes a dozen lines.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kinds: set[object] = set()
        self._told_at = 0.0

    def tell(self, failures: int, kind: object) -> tuple[bool, bool]:
        """Tell whether a failure is news, and whether it is the first of its kind.

        Args:
            failures: Its number in its outage, from 1 on.
            kind: Equal for failures of the same kind.
        """
        if failures == 1:
            self._kinds.clear()
        is_first = kind not in self._kinds and len(self._kinds) < MOST_KINDS
        is_power_of_two = failures & (failures - 1) == 0
        is_late = self._clock() - self._told_at >= REMINDER
        is_due = is_first or is_power_of_two or is_late
        if is_first:
            self._kinds.add(kind)
        if is_due:
            self._told_at = self._clock()
        return is_due, is_first


def is_of_network(error: BaseException) -> bool:
    """Tell whether an error is the network's or the peer's, so that its traceback says nothing."""
    return isinstance(error, _NETWORK)


def kind_of(error: BaseException) -> object:
    """Give what failures of the same kind have in common."""
    code = getattr(error, "code", None) if isinstance(error, WebSocketClosed) else None
    return type(error), getattr(error, "status", code)


class Pace:
    """The delays of one loop: they grow with failures, and begin anew after a stable time.

    Attributes:
        failing: Whether the last attempt failed.
        failures: How often an attempt has failed, or a connection ended, since the last stable
            time.
    """

    def __init__(
        self,
        options: DriverOptions,
        clock: Callable[[], float],
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.failing = False
        self.failures = 0
        self._down_since = 0.0
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
            self.failures, self._down_since = 0, self._clock()
        self.failures += 1
        self.failing, self._up_since = True, None
        return next(self._delays)

    @property
    def is_up(self) -> bool:
        """Whether the last attempt has succeeded, and its connection stands."""
        return self._up_since is not None

    def down_for(self) -> float:
        """Give the seconds since the first of the failures."""
        return self._clock() - self._down_since

    def slowest(self, interval: float) -> float:
        """Give the seconds of the slowest pace, for a setup of that interval."""
        return max(self._options.backoff_max, interval, MINIMUM_DELAY)
