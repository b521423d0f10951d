"""The timeline: what the platform has seen and done, beside what the bot has logged."""

from __future__ import annotations

import textwrap
import threading
import time
from collections import deque
from dataclasses import dataclass

PLATFORM, BOT = "platform", "bot"

_LAST = 60
"""Events that a failure shows at most."""

_KEPT = 5000
"""Events that are kept at most: a test without the fixtures does not clear them."""

_SHOWN = 200
"""Characters of a message that are shown."""

_LINE = 1000
"""Characters of a line of the bot's log that are shown: a bot may log a whole event."""

_WIDTH = 58
"""Characters of the platform's column."""

HEADER = f"{'s':>8}  {'platform':<{_WIDTH}} | bot"
"""The first line of what `Timeline.render` shows."""


@dataclass(frozen=True)
class Event:
    """One event: the seconds of a monotonic clock, `PLATFORM` or `BOT`, and what has happened."""

    at: float
    side: str
    text: str


class Timeline:
    """What has happened in this process of tests, in order, from all of its threads."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def note(self, side: str, text: str) -> None:
        """Write an event down, with the time of now."""
        with self._lock:
            self._events.append(Event(time.monotonic(), side, text))

    def clear(self) -> None:
        """Begin anew: another test starts."""
        with self._lock:
            self._events.clear()

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        with self._lock:
            return list(self._events)

    def render(self, last: int = _LAST) -> str:
        """Show the last events in two columns; empty if nothing has happened."""
        events = self.events
        if not events:
            return ""
        start = events[0].at
        lines = [HEADER]
        if len(events) > last:
            lines.append(f"{'':>8}  ({len(events) - last} events before these)")
        for event in events[-last:]:
            lines += _rows(event, start)
        return "\n".join(lines)


def _rows(event: Event, start: float) -> list[str]:
    moment = f"{event.at - start:8.3f}"
    if event.side == BOT:
        return [
            f"{moment if index == 0 else '':>8}  {'':<{_WIDTH}} | {shown(line, _LINE)}".rstrip()
            for index, line in enumerate(event.text.splitlines() or [""])
        ]
    return [
        f"{moment if index == 0 else '':>8}  {line:<{_WIDTH}} |"
        for index, line in enumerate(textwrap.wrap(event.text, _WIDTH) or [""])
    ]


def shown(data: str | bytes, most: int = _SHOWN) -> str:
    """Return as much of a message as the timeline shows: so many characters."""
    text = data if isinstance(data, str) else repr(data[: most + 1])
    return text if len(text) <= most else f"{text[:most]}... ({len(data)} in all)"


timeline = Timeline()
"""The timeline of this process. Tests run one after the other, so that one is enough."""
