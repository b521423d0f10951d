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

_AIOHTTPS_OWN = ("aiohttp.server", "aiohttp.web", "aiohttp.websocket", "aiohttp.internal")

_NO_DESCRIPTOR = "socket.accept() out of system resource"
# Where asyncio's selector loop begins the line of a connection for which no descriptor is left.


class Limited(logging.Filter):
    """Lets each kind of record pass once in a while; what is no HTTP becomes one plain line.

    The traceback of the latter says nothing of the peer, and its text quotes what the peer sent.
    """

    def __init__(self, only: str = "") -> None:
        """Begin with nothing logged.

        Args:
            only: What the text of a record has to begin with, for it to be limited.
        """
        super().__init__()
        self._only = only
        self._lines = OnceInAWhile()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on a record; see ``logging.Filter``."""
        if not str(record.msg).startswith(self._only):
            return True
        error = record.exc_info[1] if record.exc_info else None
        kind = self._only or str(record.msg)
        if self._only:
            # The traceback is that of the event loop's own code.
            record.exc_info = None
        elif isinstance(error, HttpProcessingError):
            record.exc_info = None
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "Refused a malformed HTTP request with %d", (error.code,)
            kind = record.getMessage()
        elif error is not None:
            kind += f" {type(error)} {_place(error)}"
        return self._lines.is_due(kind)


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
    limits = [(logging.getLogger(name), Limited()) for name in (SERVER, *_AIOHTTPS_OWN)]
    limits.append((logging.getLogger("asyncio"), Limited(_NO_DESCRIPTOR)))
    for each, limit in limits:
        each.addFilter(limit)
    try:
        yield
    finally:
        for each, limit in limits:
            each.removeFilter(limit)
