"""Loguru's logger, and the only place that decides what of a URL or an error may be logged.

Importing this module changes no sink and no handler; only ``console_logging`` does, and it puts
everything back.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from loguru import logger
from yarl import URL

if TYPE_CHECKING:
    from types import FrameType

    from loguru import Record

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

HIDDEN = "***"
INVALID_URL = "<invalid URL>"

_LONGEST_WORD = 16
_LONGEST_DESCRIPTION = 500
_SHORTEST_SECRET = 8

# "ws", "getUpdates", "set-webhook" and the versions "v11" and "v1.2"; tokens are not like that.
_PLAIN_SEGMENT = re.compile(r"(?:[A-Za-z]+(?:[-_][A-Za-z]+)*)?|v\d{1,3}(?:\.\d{1,2})?")

# A URL right after a quote ends at the next one; any other may have quotes in it. The length of the
# scheme is bounded so that a long word is not scanned again from each of its letters.
_URL = re.compile(
    r"(?:(?<=')[a-z][a-z\d+.-]{0,19}://[^\s\"<>']+|[a-z][a-z\d+.-]{0,19}://[^\s\"<>]+)", re.I
)
_AFTER_URL = ".,:;!?)]}'"

_VALUE = r"""(?:'[^']*'?|"[^"]*"?|[^\s&"'<>]+)"""
_SECRETS = (
    # access_token=..., "secret": "..."
    re.compile(
        r"((?:token|secret|passw(?:or)?d|key|signature|sign)(?:=|[\"']\s*:\s*))" + _VALUE,
        re.IGNORECASE,
    ),
    # Authorization: Basic ..., 'Authorization': 'Bearer ...'
    re.compile(
        r"(\bauthorization[\"']?\s*[:=]\s*)(?:'[^']*'?|\"[^\"]*\"?|(?:\w+ +)?[^\s,]+)",
        re.IGNORECASE,
    ),
    re.compile(r"(\bbearer +)[^\s\"',]+", re.IGNORECASE),
    re.compile(r"(\b(?:QQ)?Bot +)[^\s\"',]+"),
    # A Telegram path without its scheme and host: /bot123456:ABC-def/getUpdates
    re.compile(r"(/bot)\d+:[\w-]+", re.IGNORECASE),
)


def redact_url(url: str | URL) -> str:
    """Return what may be logged of a URL: scheme, host, port, and the plain words of its path.

    User information, query and fragment go; a segment of the path that could be a secret (a
    Telegram path holds the bot's token) becomes ``***``.

    Args:
        url: An absolute URL; anything else is ``"<invalid URL>"``.

    Returns:
        Text that holds no credentials.
    """
    try:
        url = URL(url)
        host, port = url.raw_host, url.explicit_port
    except (TypeError, ValueError):
        return INVALID_URL
    if not url.scheme or not host:
        return INVALID_URL
    host = f"[{host}]" if ":" in host else host
    authority = host if port is None else f"{host}:{port}"
    return f"{url.scheme}://{authority}{redact_path(url.raw_path)}"


def redact_path(path: str) -> str:
    """Return what may be logged of a URL's path: its plain words.

    Args:
        path: The path, percent-encoded, without query and fragment.

    Returns:
        The path, in which ``***`` stands for each segment that could be a secret.
    """
    return "/".join(map(_redact_segment, path.split("/")))


def _redact_segment(segment: str) -> str:
    is_plain = len(segment) <= _LONGEST_WORD and _PLAIN_SEGMENT.fullmatch(segment)
    return segment if is_plain else HIDDEN


def redact_text(text: str) -> str:
    """Return a text with its URLs redacted and its tokens, secrets, keys and credentials hidden.

    Args:
        text: Any text, such as the message of an exception; it may span lines.

    Returns:
        The text that may be logged. Rather too much is hidden than too little.
    """
    text = _URL.sub(_redact_match, text)
    for secret in _SECRETS:
        text = secret.sub(rf"\1{HIDDEN}", text)
    return text


def _redact_match(match: re.Match[str]) -> str:
    found = match.group()
    url = found.rstrip(_AFTER_URL)
    return redact_url(url) + found[len(url) :]


def describe(exc: BaseException) -> str:
    """Describe an exception in one line that holds no secrets.

    Args:
        exc: The exception.

    Returns:
        The name of its class, and its message where it has one.
    """
    name = type(exc).__name__
    text = _one_line(redact_text(_message(exc)))
    return f"{name}: {text}" if text else name


def _message(exc: BaseException) -> str:
    # Their own texts hold the whole URL.
    if isinstance(exc, aiohttp.ClientResponseError):
        return f"{exc.status} {exc.message}"
    if isinstance(exc, aiohttp.InvalidURL):
        return f"{INVALID_URL} {exc.description or ''}"
    try:
        return str(exc)
    except Exception:
        return "<no text: its __str__ failed>"


def _one_line(text: str) -> str:
    """Join the lines, drop what would steer a terminal, and cut what a peer made endless."""
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return line if len(line) <= _LONGEST_DESCRIPTION else f"{line[:_LONGEST_DESCRIPTION]}..."


def format_traceback(exc: BaseException) -> str:
    """Format an exception's traceback, with its causes, so that it holds no secrets.

    Args:
        exc: The exception.

    Returns:
        The lines, without a newline at the end.
    """
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    for url in _unusable_urls(exc):
        text = text.replace(url, INVALID_URL)
    return "\n".join(map(redact_text, text.splitlines()))


def _unusable_urls(exc: BaseException | None) -> Iterator[str]:
    """Yield the URLs that a chain of exceptions quotes and that need not look like URLs."""
    seen: set[int] = set()
    pending = [exc]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
        # What is shorter than any secret may be a word of the traceback.
        if isinstance(each, aiohttp.InvalidURL) and len(str(each.url)) >= _SHORTEST_SECRET:
            yield str(each.url)


def log_exception(level: str, message: str, exc: BaseException) -> None:
    """Log a message and the redacted traceback of an exception, as one record.

    The record carries no exception object, since a sink would print that with all its secrets.

    Args:
        level: Name of the level, such as ``"ERROR"``.
        message: What failed; logged as it is, also with braces and markup in it.
        exc: The exception.
    """
    # Lazy: the traceback is only formatted when a sink takes the level.
    logger.opt(depth=1, lazy=True).log(
        level, "{}\n{}", lambda: message, lambda: format_traceback(exc)
    )


MOST_TEXTS = 100
"""Different texts that are due within the time of one."""


class OnceInAWhile:
    """Tells what was logged just now and need not be again: the internet knocks all day."""

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing logged.

        Args:
            seconds: For how long a text is not due again.
            clock: Monotonic seconds.
        """
        self._seconds = seconds
        self._clock = clock
        self._due: dict[str, float] = {}

    def is_due(self, text: str) -> bool:
        """Tell whether a text should be logged, and take it as logged if so.

        Args:
            text: The text. When too many different ones were logged just now, no more are due.
        """
        now = self._clock()
        if len(self._due) >= MOST_TEXTS:
            self._due = {known: due for known, due in self._due.items() if now < due}
        if now < self._due.get(text, now) or len(self._due) >= MOST_TEXTS:
            return False
        self._due[text] = now + self._seconds
        return True


class StdlibBridge(logging.Handler):
    """A handler that hands the records of ``logging`` to loguru, redacted.

    Level and place of the call are kept. An exception becomes part of the text, since a sink would
    print the object with all its secrets.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over; what fails goes the way of ``logging``, to ``handleError``.

        Args:
            record: The record.
        """
        try:
            log = logger.opt(depth=_depth_of_call())
            log.log(_loguru_level(record), "{}", _redacted_text(record))
        except Exception:
            self.handleError(record)


def _redacted_text(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    parts = (
        redact_text(record.getMessage()),
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


# The id of the sink that nobody configured: loguru's own, and later the one that was put back.
_default_sink = 0


@contextmanager
def console_logging(level: int | str) -> Iterator[None]:
    """Log to stderr in a compact format while a process of our own runs.

    Only loguru's default sink is replaced: whoever configured loguru is left alone. ``logging`` is
    bridged to loguru where its root logger has no handlers. All of it is put back at the end.

    Args:
        level: The lowest level to log, as a number or a name in any case.

    Raises:
        ValueError: Loguru has no such level; see ``is_level``.
    """
    number = _level_number(level)
    with _console_sink(number), _bridged_root(number):
        yield


def is_level(level: Any) -> bool:
    """Tell whether loguru has a level.

    Args:
        level: A number or a name in any case; nothing else is a level.
    """
    try:
        return _level_number(level) >= 0
    except (ValueError, TypeError, AttributeError):
        return False


def _level_number(level: int | str) -> int:
    if isinstance(level, int):
        return level
    try:
        return logger.level(level).no
    except ValueError:
        return logger.level(level.upper()).no


@contextmanager
def _console_sink(level: int) -> Iterator[None]:
    global _default_sink
    if sys.stderr is None:
        # As under pythonw, or with 2>&-: there is no console, and loguru has no default sink.
        yield
        return
    # Ours comes first: should it be refused, the default sink is still there.
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
        # A program that removed ours meanwhile has configured loguru and wants no default sink.
        if _remove_sink(ours) and sys.stderr is not None:
            _default_sink = logger.add(sys.stderr)


def _remove_sink(sink: int) -> bool:
    try:
        logger.remove(sink)
    except ValueError:
        return False
    return True


def _console_format(record: Record) -> str:
    """Choose the format of a record; loguru's own rendering of an exception would hide nothing."""
    line = (
        "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <8}</level> "
        "<cyan>{name}</cyan>: {message}\n"
    )
    exception = record["exception"]
    if exception is None or exception.value is None:
        return line
    # A key of the record's own, for text inside the format would be read as markup.
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
