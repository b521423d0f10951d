"""Writes times as whoever is woken up wants them: how long ago, and exactly when."""

from __future__ import annotations

import time

from .elements import Markup, filled
from .texts import Texts

_DAY = 86_400
_LAST = 32_503_680_000
# The year 3000, up to which Windows knows local times.


class Moments:
    """Writes times of day, which are Unix seconds, as seen from one of them.

    Attributes:
        now: That one.
    """

    def __init__(self, texts: Texts, now: float) -> None:
        """See from ``now``."""
        self._texts = texts
        self.now = now

    def relative(self, when: float) -> str:
        """Say how long ago a time was, or how long it is until then."""
        seconds = self.now - when
        if seconds < 0:
            number, unit = _rounded(-seconds)
            return self._texts(f"in {{number}} {unit}", number=number)
        number, unit = _rounded(seconds)
        return self._texts(f"{{number}} {unit} ago", number=number)

    def duration(self, seconds: float) -> str:
        """Say how long something has lasted."""
        number, unit = _rounded(max(0.0, seconds))
        return self._texts(f"{{number}} {unit}", number=number)

    def element(self, when: float) -> Markup:
        """Make an element that says how long ago; its title says exactly when."""
        exact = time.strftime("%Y-%m-%d %H:%M:%S%z", _local(when))
        return filled('<time datetime="{0}" title="{0}">{1}</time>', exact, self.relative(when))

    def lasting(self, since: float) -> str:
        """Say for how long something has lasted, and since when exactly."""
        lasted = self.duration(self.now - since)
        text = "for {duration} (since {when})"
        return self._texts(text, duration=lasted, when=self._shortly(since))

    def both(self, when: float) -> str:
        """Say how long ago or how soon, and exactly when; the date is left out within a day."""
        return f"{self.relative(when)} ({self._shortly(when)})"

    def exact(self, when: float) -> str:
        """Say exactly when, in the time zone of the machine, as the log does."""
        return time.strftime("%Y-%m-%d %H:%M:%S %z", _local(when))

    def _shortly(self, when: float) -> str:
        shown = "%H:%M:%S" if abs(when - self.now) < _DAY else "%Y-%m-%d %H:%M"
        return time.strftime(shown, _local(when))


def _local(when: float) -> time.struct_time:
    return time.localtime(min(max(when, 0), _LAST))


def _rounded(seconds: float) -> tuple[int, str]:
    if seconds < 120:
        return int(seconds), "s"
    if seconds < 7200:
        return int(seconds / 60), "min"
    if seconds < 2 * _DAY:
        return int(seconds / 3600), "h"
    return int(seconds / _DAY), "days"
