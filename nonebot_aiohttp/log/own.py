"""The logger of this package's own records: filtered where they are made.

So ``LOG_LEVEL`` holds under every host and for every sink, and no sink of anybody is touched. Users
get loguru's own logger, because their records are not the package's.

What is logged before the driver starts is held back until then, if the program itself makes the
driver: only ``run()`` has the console's format, and it comes later than the settings and the
registrations.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import loguru

from .program import program_frame
from .redaction import format_traceback

if TYPE_CHECKING:
    from loguru import Record

Log = Callable[..., None]

MOST_HELD = 1000
"""Records that are held back at most; with more, nothing is held back any longer."""

_METHODS = ("trace", "debug", "info", "success", "warning", "error", "critical")


def level_number(level: int | str) -> int:
    """Return the number of a level; a name may be in upper or lower case.

    Raises:
        ValueError: Loguru does not have this level.
    """
    if isinstance(level, int):
        return level
    try:
        return loguru.logger.level(level).no
    except ValueError:
        return loguru.logger.level(level.upper()).no


def is_level(level: Any) -> bool:
    """Tell whether loguru has a level: a number, or a name in upper or lower case."""
    try:
        return level_number(level) >= 0
    except (ValueError, TypeError, AttributeError):
        return False


@dataclass(frozen=True)
class _Held:
    """A record that is held back."""

    level: str
    text: str
    when: float
    name: str
    function: str
    line: int

    def log(self) -> None:
        loguru.logger.patch(self._date_back).log(self.level, "{}", self.text)

    def _date_back(self, record: Record) -> None:
        record["time"] -= timedelta(seconds=time.time() - self.when)
        record["name"], record["function"], record["line"] = self.name, self.function, self.line


class OwnLogger:
    """Loguru's methods, each of which does nothing below the level.

    The methods are loguru's own as long as nothing is filtered or held back, so that a record costs
    what it costs with loguru.
    """

    trace: Log
    debug: Log
    info: Log
    success: Log
    warning: Log
    error: Log
    critical: Log

    def __init__(self) -> None:
        """Make a logger that lets everything pass."""
        self._level = 0
        self._held: list[_Held] | None = None
        self._has_started = False
        self._choose_methods()

    def set_level(self, level: Any) -> None:
        """Filter by the level of a driver's configuration; of several drivers the last one counts.

        Args:
            level: A name or a number. What is not a level filters nothing.
        """
        self._level = level_number(level) if is_level(level) else 0
        self._choose_methods()

    def takes(self, level: str) -> bool:
        """Tell whether records of a level pass, or may pass later."""
        return self._held is not None or loguru.logger.level(level).no >= self._level

    def log(self, level: str, message: str, *args: Any) -> None:
        """Log a record of a level that is given by its name."""
        if self._held is not None:
            self._hold(level, message, *args, depth=1)
        elif self.takes(level):
            loguru.logger.opt(depth=1).log(level, message, *args)

    def log_exception(self, level: str, message: str, exc: BaseException, depth: int) -> None:
        """Log a message and a redacted traceback; see ``nonebot_aiohttp.log.log_exception``."""
        if self._held is not None:
            self._hold(level, "{}\n{}", message, format_traceback(exc), depth=depth)
        elif self.takes(level):
            # Lazy: the traceback is formatted only if a sink takes the level.
            loguru.logger.opt(depth=depth, lazy=True).log(
                level, "{}\n{}", lambda: message, lambda: format_traceback(exc)
            )

    def hold_back(self) -> None:
        """Hold the records back until a driver of this process starts, or the process ends.

        Only the program itself has them held back. Elsewhere ``run()`` may never come, and at the
        end of a test, for one, the outputs are closed.
        """
        if self._has_started or self._held is not None or program_frame() is None:
            return
        self._held = []
        self._choose_methods()
        atexit.register(self.release)
        if hasattr(os, "register_at_fork"):
            # Otherwise each child would log them again.
            os.register_at_fork(before=self.release)

    def release(self) -> None:
        """Log what was held back, and hold nothing back from now on."""
        held, self._held = self._held, None
        self._has_started = True
        self._choose_methods()
        for record in held or ():
            if self.takes(record.level):
                record.log()

    def _choose_methods(self) -> None:
        for name in _METHODS:
            level = name.upper()
            if self._held is not None:
                method: Log = partial(self._hold, level)
            else:
                method = getattr(loguru.logger, name) if self.takes(level) else _nothing
            setattr(self, name, method)

    def _hold(self, level: str, message: str, *args: Any, depth: int = 0) -> None:
        frame = sys._getframe(depth + 1)
        text = message.format(*args) if args else message
        name = frame.f_globals.get("__name__", "")
        place = (name, frame.f_code.co_name, frame.f_lineno)
        assert self._held is not None
        self._held.append(_Held(level, text, time.time(), *place))
        if len(self._held) >= MOST_HELD:
            self.release()


def _nothing(message: str, *args: Any) -> None:
    """Stand for a method of a level that is filtered out."""


logger = OwnLogger()
