"""Loguru's logger, and the rules of what this package writes to it.

``redaction`` decides what of a URL or an error may be logged. ``own`` is the logger of the
package's own records, which ``LOG_LEVEL`` filters. ``console`` is the log of a process of our own.
Importing them changes no sink and no handler.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

from .console import StdlibBridge, console_logging
from .own import is_level
from .own import logger as own_logger
from .redaction import describe, format_traceback, redact_path, redact_text, redact_url

__all__ = [
    "OnceInAWhile",
    "StdlibBridge",
    "console_logging",
    "describe",
    "format_traceback",
    "is_level",
    "log_exception",
    "logger",
    "redact_path",
    "redact_text",
    "redact_url",
]


def log_exception(level: str, message: str, exc: BaseException) -> None:
    """Log a message and the redacted traceback of an exception, as one record.

    The record does not carry the exception object, because a sink would print it with its secrets.

    Args:
        level: Name of the level, such as ``"ERROR"``.
        message: What failed. Braces and markup in it are logged as they are.
        exc: The exception.
    """
    own_logger.log_exception(level, message, exc, depth=2)


MAX_RECENT_TEXTS = 100
"""Different texts that ``OnceInAWhile`` lets through within its period."""


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
        self._due: dict[str, float] = {}

    def is_due(self, text: str) -> bool:
        """Tell whether a text should be logged now; if so, its next period begins.

        No text is due while ``MAX_RECENT_TEXTS`` different ones are within their periods.
        """
        now = self._clock()
        if len(self._due) >= MAX_RECENT_TEXTS:
            self._due = {known: due for known, due in self._due.items() if now < due}
        if now < self._due.get(text, now) or len(self._due) >= MAX_RECENT_TEXTS:
            return False
        self._due[text] = now + self._seconds
        return True
