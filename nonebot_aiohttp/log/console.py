"""The console of a process of our own: loguru's sink on stderr, and a bridge from ``logging``.

It guards the promise that only ``console_logging`` changes sinks and handlers, and that it restores
them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from loguru import logger

from .naming import FIELDS
from .own import level_number
from .own import logger as own_logger
from .redaction import format_traceback, hanging, redact_text

if TYPE_CHECKING:
    from types import FrameType

    from loguru import Record


class StdlibBridge(logging.Handler):
    """A handler that passes the records of ``logging`` to loguru, redacted.

    It keeps the level, the place of the call, and the texts ``adapter``, ``bot`` and ``peer`` that
    the record was given by ``extra=``. An exception becomes part of the text, because a sink would
    print the object with its secrets.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on; an error in it goes to ``handleError``, as ``logging`` has it."""
        try:
            log = logger.opt(depth=_depth_of_call())
            log.log(_loguru_level(record), "{}", _redacted_text(record), **_fields(record))
        except Exception:
            self.handleError(record)


def _fields(record: logging.LogRecord) -> dict[str, str]:
    given = {name: getattr(record, name, None) for name in FIELDS}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _redacted_text(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    # These two quote peers. The lines of others are their own business.
    is_of_library = record.name.partition(".")[0] in ("aiohttp", "asyncio")
    parts = (
        (hanging if is_of_library else redact_text)(record.getMessage()),
        format_traceback(error) if error else "",
        redact_text(record.stack_info or ""),
    )
    return "\n".join(filter(None, parts))


def _depth_of_call() -> int:
    """Count the frames between ``emit`` and the code that called ``logging``."""
    frame: FrameType | None = sys._getframe(1)
    depth = 0
    while frame and (depth == 0 or frame.f_globals.get("__name__") == "logging"):
        frame = frame.f_back
        depth += 1
    return depth


def _loguru_level(record: logging.LogRecord) -> str | int:
    try:
        return logger.level(record.levelname).name
    except ValueError:
        return record.levelno


# The id of the sink that nobody has configured: loguru's own, or later the one that
# console_logging() restored.
_default_sink = 0


@contextmanager
def console_logging(level: int | str) -> Iterator[None]:
    """Log to stderr in a compact format while a process of our own runs.

    Only loguru's default sink is replaced: a program that has configured loguru keeps its sinks.
    ``logging`` is bridged to loguru if its root logger has no handlers. At the end everything is
    restored.

    Args:
        level: The lowest level to log, as a number or a name in upper or lower case.

    Raises:
        ValueError: Loguru does not have this level; see ``is_level``.
    """
    number = level_number(level)
    with _console_sink(number), _bridged_root(number):
        own_logger.release()
        yield


@contextmanager
def _console_sink(level: int) -> Iterator[None]:
    global _default_sink
    if sys.stderr is None:
        # pythonw and 2>&- leave the process without a console, and loguru without its default sink.
        yield
        return
    # The new sink comes first: if loguru refuses it, the default sink is still there.
    ours = logger.add(
        sys.stderr, level=level, format=_console_format, diagnose=False, backtrace=False
    )
    if not _remove_sink(_default_sink):
        _remove_sink(ours)
        yield
        return
    try:
        yield
    finally:
        # A program that has removed our sink meanwhile has configured loguru, and does not want a
        # default sink.
        if _remove_sink(ours) and sys.stderr is not None:
            _default_sink = logger.add(sys.stderr)


def _remove_sink(sink: int) -> bool:
    try:
        logger.remove(sink)
    except ValueError:
        return False
    return True


def _console_format(record: Record) -> str:
    """Choose the format of a record; loguru's own format of an exception would hide no secrets."""
    line = (
        "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <8}</level> "
        "<cyan>{name}</cyan>: {message}\n"
    )
    exception = record["exception"]
    if exception is None or exception.value is None:
        return line
    # Under a key of the record, because loguru reads text inside the format as markup.
    cast("dict[str, Any]", record)["redacted_traceback"] = format_traceback(exception.value)
    return line + "{redacted_traceback}\n"


@contextmanager
def _bridged_root(level: int) -> Iterator[None]:
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    bridge, former_level = StdlibBridge(), root.level
    root.addHandler(bridge)
    root.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(bridge)
        root.setLevel(former_level)
