"""How long to wait before the next attempt."""

import random
import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from nonebot.drivers import Response

from .exception import NetworkError

DAY = 86400.0
"""A longer ``Retry-After`` is taken for a fault of the platform."""


class Backoff:
    """The pauses between attempts that fail: each is twice as long as the one before it."""

    def __init__(self, first: float, longest: float) -> None:
        """Take the first pause and the longest one, in seconds."""
        self._first = first
        self._longest = max(first, longest)
        self._next = first

    def reset(self) -> None:
        """Begin with the first pause again, because an attempt was successful."""
        self._next = self._first

    def pause(self, error: Exception) -> float:
        """Return the seconds to wait after an attempt that has ended so.

        What Pigeon asks for is obeyed. A refusal, such as that of a wrong token, does not get right
        by itself, so the longest pause follows at once.
        """
        if isinstance(error, NetworkError):
            if error.retry_after is not None:
                return max(error.retry_after, self._first)
            if 400 <= (error.status or 0) < 500 and error.status not in (408, 425, 429):
                return self._longest
        pause, self._next = self._next, min(2 * self._next, self._longest)
        # Not all bots at the same moment, when a platform comes back.
        return pause * random.uniform(0.75, 1.0)


def retry_after(response: Response) -> float | None:
    """Read ``Retry-After``: seconds, or a date (RFC 9110, section 10.2.3); None without it."""
    if response.status_code not in (429, 503):
        return None
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        seconds = (date - datetime.now(timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), DAY)
