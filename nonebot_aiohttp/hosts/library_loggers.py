"""What the libraries below log of peers, in the own process: each thing once in a while.

Whatever makes a library log can be repeated by a stranger, thousands of times a second. Loggers of
other hosts are left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp.http_exceptions import HttpProcessingError

from ..log import OnceInAWhile

SERVER = "nonebot_aiohttp.server"
"""The logger that aiohttp's server gets here."""

_AIOHTTPS_OWN = ("aiohttp.web", "aiohttp.websocket", "aiohttp.internal")
# Not "aiohttp.server": that is for sites beside this one.

_ASYNCIOS_OWN = {
    "socket.accept() out of system resource": logging.WARNING,
    "Error on transport creation for incoming connection": logging.INFO,
}
# What asyncio says of peers, by the beginning of its text; the latter in its debug mode only.


class Limited(logging.Filter):
    """Lets each kind of record pass once in a while; what is no HTTP becomes one plain line.

    The traceback of the latter says nothing of the peer, and its text quotes what the peer sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = OnceInAWhile()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on a record; see ``logging.Filter``."""
        error = record.exc_info[1] if record.exc_info else None
        kind = str(record.msg)
        if isinstance(error, HttpProcessingError):
            kind = f"Refused a malformed HTTP request with {error.code}"
            make_plain(record, kind, logging.INFO)
        elif error is not None:
            kind += f" {type(error)} {_place(error)}"
        return self._lines.is_due(kind)


class LimitedAccepting(logging.Filter):
    """Makes one plain line, once in a while, of what asyncio says of connections it cannot take."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = OnceInAWhile()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on a record; see ``logging.Filter``."""
        for beginning, level in _ASYNCIOS_OWN.items():
            if str(record.msg).startswith(beginning):
                # The traceback is that of the event loop's own code.
                make_plain(record, beginning, level)
                return self._lines.is_due(beginning)
        return True


def make_plain(record: logging.LogRecord, text: str, level: int) -> None:
    """Make a record one line, without a traceback.

    Args:
        record: The record.
        text: The line.
        level: Its level.
    """
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
    """Limit them while the own process serves.

    Yields:
        Meanwhile.
    """
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
