"""Loguru's logger, and the rules of what this package writes to it.

``redaction`` decides what of a URL, an error or a peer's text may be logged. ``naming`` is the
grammar of the lines: ``bot 1 of my``, ``The forward WebSocket of bot 1 of my``, ``a webhook of my
from 10.0.0.7``. ``own`` is the logger of the package's own records, which ``LOG_LEVEL`` filters.
``console`` is the log of a process of our own. Importing them changes no sink and no handler.

WARNING is for what somebody has to look at, INFO for what happens every day.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

from .console import StdlibBridge, console_logging
from .own import is_level
from .own import logger as own_logger
from .redaction import (
    describe,
    format_traceback,
    loggable,
    redact_path,
    redact_text,
    redact_url,
)

__all__ = [
    "OnceInAWhile",
    "StdlibBridge",
    "console_logging",
    "describe",
    "format_traceback",
    "is_level",
    "log_exception",
    "loggable",
    "logger",
    "redact_path",
    "redact_text",
    "redact_url",
]


def log_exception(level: str, message: str, exc: BaseException, **about: str) -> None:
    """Log a message and the redacted traceback of an exception, as one record.

    The record does not carry the exception object, because a sink would print it with its secrets.

    Args:
        level: Name of the level, such as ``"ERROR"``.
        message: What failed. Braces and markup in it are logged as they are.
        exc: The exception.
        **about: Extra fields of the record, such as ``bot="12345"``.
    """
    own_logger.log_exception(level, message, exc, depth=2, **about)


MAX_RECENT_TEXTS = 100
"""Different texts that ``OnceInAWhile`` lets through within its period."""

MAX_OF_A_KIND = 5
"""Different texts of one kind that it lets through within its period."""


class OnceInAWhile:
    """Limits how often the same line is logged, because strangers can cause lines all day."""

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a limiter.

        Args:
            seconds: The period within which a text is due once.
            clock: Returns monotonic seconds.
        """
        self._seconds = seconds
        self._clock = clock
        self._due: dict[tuple[str, str], float] = {}

    def is_due(self, text: str, kind: str = "") -> bool:
        """Tell whether a text should be logged now; if so, its next period begins.

        No text is due while ``MAX_RECENT_TEXTS`` different ones are within their periods, or
        ``MAX_OF_A_KIND`` of its kind. So strangers with many addresses hide no other lines.

        Args:
            kind: What the texts have in common that differ in what a peer has made up; empty for a
                text without that.
        """
        now, key = self._clock(), (kind, text)
        if now < self._due.get(key, now):
            return False
        self._due = {known: due for known, due in self._due.items() if now < due}
        of_its_kind = sum(known[0] == kind for known in self._due) if kind else 0
        if of_its_kind >= MAX_OF_A_KIND or len(self._due) >= MAX_RECENT_TEXTS:
            return False
        self._due[key] = now + self._seconds
        return True
