"""Limits how often libraries log what peers do, in the own process.

A stranger can repeat whatever makes a library log, thousands of times a second. Under other hosts
the loggers are left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp.http_exceptions import HttpProcessingError

from ..log import OnceInAWhile

SERVER = "nonebot_aiohttp.server"
"""The logger that aiohttp's server gets in the own process."""

_AIOHTTPS_OWN = ("aiohttp.web", "aiohttp.websocket", "aiohttp.internal")
# Not "aiohttp.server", which other servers in this process may use.

_ASYNCIOS_OWN = {
    "socket.accept() out of system resource": logging.WARNING,
    "Error on transport creation for incoming connection": logging.INFO,
}
# How asyncio's lines about peers begin; it logs the second only in its debug mode.


class Limited(logging.Filter):
    """Lets each kind of record pass once in a while.

    A malformed request becomes one plain line, because its traceback says nothing about the peer,
    and its text quotes what the peer sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = OnceInAWhile()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record passes; see ``logging.Filter``."""
        error = record.exc_info[1] if record.exc_info else None
        kind = str(record.msg)
        if isinstance(error, HttpProcessingError):
            kind = f"Refused a malformed HTTP request with {error.code}"
            make_plain(record, kind, logging.INFO)
        elif error is not None:
            kind += f" {type(error)} {_place(error)}"
        return self._lines.is_due(kind)


class LimitedAccepting(logging.Filter):
    """Makes one plain line, once in a while, of asyncio's about connections it cannot accept."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = OnceInAWhile()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record passes; see ``logging.Filter``."""
        for beginning, level in _ASYNCIOS_OWN.items():
            if str(record.msg).startswith(beginning):
                # The traceback is that of the event loop's own code.
                make_plain(record, beginning, level)
                return self._lines.is_due(beginning)
        return True


def make_plain(record: logging.LogRecord, text: str, level: int) -> None:
    """Turn a record into one line of that level, without a traceback."""
    record.exc_info = None
    record.levelno, record.levelname = level, logging.getLevelName(level)
    record.msg, record.args = text, ()


def _place(error: BaseException) -> tuple[str, int] | None:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback and (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)


@contextmanager
def limited_loggers() -> Iterator[None]:
    """Limit the loggers of aiohttp and asyncio while the own process serves."""
    limits: list[tuple[logging.Logger, logging.Filter]] = [
        (logging.getLogger(name), Limited()) for name in (SERVER, *_AIOHTTPS_OWN)
    ]
    limits.append((logging.getLogger("asyncio"), LimitedAccepting()))
    for each, limit in limits:
        each.addFilter(limit)
    try:
        yield
    finally:
        for each, limit in limits:
            each.removeFilter(limit)
