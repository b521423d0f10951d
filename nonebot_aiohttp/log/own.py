"""The logger of this package's own records: filtered where they are made.

So ``LOG_LEVEL`` holds under every host and for every sink, and no sink of anybody is touched. Users
get loguru's own logger, because their records are not the package's.

What is logged before the driver starts is held back until then, if the program itself makes the
driver: only ``run()`` has the console's format, and it comes later than the settings and the
registrations.

The last warnings are kept, so that a driver can show them to whoever asks.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import loguru

from .naming import FIELDS
from .program import program_frame
from .redaction import describe, format_traceback

if TYPE_CHECKING:
    from loguru import Record

Log = Callable[..., None]

MOST_HELD = 1000
"""Records that are held back at most; with more, nothing is held back any longer."""

MOST_RECENT = 100
"""Records of level WARNING or higher that are kept."""

LONGEST_RECENT = 300
"""Characters that are kept of each of their texts."""

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


@dataclass(frozen=True, slots=True)
class Recent:
    """A record that was logged, as far as it is kept.

    Attributes:
        when: Seconds since the epoch.
        level: The name of its level.
        text: The first line of its text, with the error instead of the traceback, cut to
            ``LONGEST_RECENT`` characters.
        adapter: The adapter that it is about; empty if it is about none.
        bot: The bot's id, likewise.
        peer: The peer's address, likewise.
    """

    when: float
    level: str
    text: str
    adapter: str = ""
    bot: str = ""
    peer: str = ""


@dataclass(frozen=True)
class _Held:
    """A record that is held back; ``short`` is its text without the traceback."""

    level: str
    text: str
    short: str
    about: Mapping[str, str]
    when: float
    name: str
    function: str
    line: int

    def log(self) -> None:
        loguru.logger.patch(self._date_back).log(self.level, "{}", self.text, **self.about)

    def _date_back(self, record: Record) -> None:
        record["time"] -= timedelta(seconds=time.time() - self.when)
        record["name"], record["function"], record["line"] = self.name, self.function, self.line


class OwnLogger:
    """Loguru's methods, each of which does nothing below the level.

    The methods below WARNING are loguru's own as long as nothing is filtered or held back, so that
    a record costs what it costs with loguru. Keyword arguments become extra fields of the record;
    ``log.naming.about`` makes them.

    Attributes:
        recent: The last records of level WARNING or higher that have passed, oldest first.
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
        self.recent: deque[Recent] = deque(maxlen=MOST_RECENT)
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

    def log(self, level: str, message: str, *args: Any, **about: str) -> None:
        """Log a record of a level that is given by its name."""
        if self._held is not None:
            self._hold(level, message, *args, depth=1, **about)
        elif self.takes(level):
            loguru.logger.opt(depth=1).log(level, message, *args, **about)
            self._keep(level, time.time(), _formatted(message, args, about), about)

    def log_exception(
        self, level: str, message: str, exc: BaseException, depth: int, **about: str
    ) -> None:
        """Log a message and a redacted traceback; see ``nonebot_aiohttp.log.log_exception``."""
        if self._held is not None:
            text = f"{message}\n{format_traceback(exc)}"
            self._hold(level, "{}", text, depth=depth, short=f"{message}: {describe(exc)}", **about)
        elif self.takes(level):
            # Lazy: the traceback is formatted only if a sink takes the level.
            fields = {name: partial(str, value) for name, value in about.items()}
            loguru.logger.opt(depth=depth, lazy=True).log(
                level, "{}\n{}", lambda: message, lambda: format_traceback(exc), **fields
            )
            self._keep(level, time.time(), f"{message}: {describe(exc)}", about)

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
                self._keep(record.level, record.when, record.short, record.about)

    def _choose_methods(self) -> None:
        for name in _METHODS:
            level = name.upper()
            if self._held is not None:
                method: Log = partial(self._hold, level)
            elif not self.takes(level):
                method = _nothing
            else:
                method = (
                    partial(self.log, level) if _is_kept(level) else getattr(loguru.logger, name)
                )
            setattr(self, name, method)

    def _hold(
        self, level: str, message: str, *args: Any, depth: int = 0, short: str = "", **about: str
    ) -> None:
        frame = sys._getframe(depth + 1)
        text = _formatted(message, args, about)
        name = frame.f_globals.get("__name__", "")
        place = (name, frame.f_code.co_name, frame.f_lineno)
        assert self._held is not None
        self._held.append(_Held(level, text, short or text, about, time.time(), *place))
        if len(self._held) >= MOST_HELD:
            self.release()

    def _keep(self, level: str, when: float, text: str, about: Mapping[str, str]) -> None:
        if _is_kept(level):
            line = text.partition("\n")[0]
            if len(line) > LONGEST_RECENT:
                line = f"{line[: LONGEST_RECENT - 3]}..."
            adapter, bot, peer = (about.get(name, "") for name in FIELDS)
            self.recent.append(Recent(when, level, line, adapter, bot, peer))


def _is_kept(level: str) -> bool:
    return loguru.logger.level(level).no >= loguru.logger.level("WARNING").no


def _formatted(message: str, args: tuple[Any, ...], about: Mapping[str, str]) -> str:
    """Format a text as loguru does."""
    return message.format(*args, **about) if args or about else message


def _nothing(message: str, *args: Any, **about: str) -> None:
    """Stand for a method of a level that is filtered out."""


logger = OwnLogger()
