"""``BodyReader``: the bodies of webhooks, bounded in size and in time, and all of them together.

It guards the promise that no number of strangers fills the memory with bodies that never end.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..options import DriverOptions
from .endpoints import RETRY_AFTER, Refused

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    # The same before it came into the standard library; aiohttp needs it there, too.
    from async_timeout import timeout

SMALL = 64 * 1024
"""Bytes up to which a body passes when larger ones find no room any more: events are small."""


class BodyReader:
    """Reads the bodies of requests, whatever carries them.

    Attributes:
        held: Bytes of all bodies that are not complete yet.
    """

    def __init__(self, options: DriverOptions) -> None:
        """Begin with nothing to read."""
        self._max_size = options.max_body_size
        self._digits = len(str(self._max_size))
        self._timeout = options.body_timeout
        self._max_memory = options.max_body_memory
        self.held = 0

    async def read(self, next_chunk: Callable[[], Awaitable[bytes | None]]) -> bytes:
        """Read a body that is not there yet.

        Args:
            next_chunk: Waits for the next bytes; None is the end. It may raise what it likes.

        Returns:
            The body.

        Raises:
            Refused: It is too large, or too slow, or there are too many of them.
        """
        limit: Any = timeout(self._timeout)
        try:
            # In this task, for a receive of ASGI middleware may open what only the same may close.
            async with limit:
                return await self._collect(next_chunk)
        except asyncio.TimeoutError:
            if not _has_expired(limit):
                # Whoever carries the body has an error of the same name.
                raise
        reason = f"the body took longer than {self._timeout:g} s (aiohttp_body_timeout)"
        raise Refused(408, reason, connection="close")

    async def _collect(self, next_chunk: Callable[[], Awaitable[bytes | None]]) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while (chunk := await next_chunk()) is not None:
                size += len(chunk)
                self.held += len(chunk)
                self.check_size(size)
                self._check_memory(size)
                chunks.append(chunk)
            return b"".join(chunks)
        finally:
            self.held -= size

    def check_size(self, size: int) -> None:
        """Refuse a body over the limit.

        Args:
            size: Bytes that it has.

        Raises:
            Refused: These are too many.
        """
        if size > self._max_size:
            reason = f"the body is larger than {self._max_size} bytes (aiohttp_max_body_size)"
            raise Refused(413, reason, connection="close")

    def check_declared(self, headers: Mapping[str, str]) -> None:
        """Refuse a Content-Length over the limit, before its sender has sent what it announces.

        Args:
            headers: The headers of the request.

        Raises:
            Refused: It is.
        """
        declared = headers.get("content-length", "")
        if len(declared) < self._digits:
            return
        # Python reads no number of thousands of digits; with one more than 20 it is large enough.
        digits = declared.lstrip("0") if declared.isdecimal() else ""
        self.check_size(int(digits[:20] or "0"))

    def _check_memory(self, size: int) -> None:
        """Refuse a body for which there is no room; small ones have as much again."""
        limit = self._max_memory if size > SMALL else 2 * self._max_memory
        if self.held > limit:
            reason = f"unfinished bodies hold {self._max_memory} bytes (aiohttp_max_body_memory)"
            raise Refused(503, reason, retry_after=str(RETRY_AFTER), connection="close")


def _has_expired(limit: Any) -> bool:
    expired = limit.expired
    return bool(expired() if callable(expired) else expired)
