"""``BodyReader``: reads the bodies of webhooks, with limits for each and for all together.

It guards the promise that no number of strangers fills the memory with bodies that never end.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any

from ..options import DriverOptions
from .refusals import RETRY_AFTER, Refused

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    # The same function before the standard library had it; aiohttp depends on it there, too.
    from async_timeout import timeout

Chunk = tuple[bytes, bool]
"""Bytes of a body, and whether more may follow."""

NextChunk = Callable[[], Coroutine[Any, Any, Chunk]]
"""Waits for the next bytes of a body."""

SMALL = 64 * 1024
"""Bytes up to which a body passes when larger ones find no room any more; events are small."""


class BodyReader:
    """Reads the bodies of requests for all transports of a driver.

    Attributes:
        held: Bytes of all bodies that are not complete yet.
    """

    def __init__(self, options: DriverOptions) -> None:
        self._max_size = options.max_body_size
        self._timeout = options.body_timeout
        self._max_memory = options.max_body_memory
        self.held = 0

    async def read(self, next_chunk: NextChunk) -> bytes:
        """Read a body within ``aiohttp_body_timeout``.

        Raises:
            Refused: The body is too large or too slow, or there are too many of them.
            Exception: Whatever ``next_chunk`` raises.
        """
        first = begin(next_chunk())
        if not isinstance(first, Rest):
            chunk, more = first
            if not more:
                # Most bodies have arrived as a whole. They need no timer, which would cost about
                # 3 % of a webhook under uvicorn.
                self.check_size(len(chunk))
                return bytes(chunk)
        limit: Any = timeout(self._timeout)
        try:
            # In this task, because ASGI middleware may open in a receive what only the same task
            # may close.
            async with limit:
                return await self._collect(first, next_chunk)
        except asyncio.TimeoutError:
            if not _has_expired(limit):
                # The transport has an error of the same name.
                raise
        reason = f"the body took longer than {self._timeout:g} s (aiohttp_body_timeout)"
        raise Refused(408, reason, connection="close")

    async def _collect(self, first: Chunk | Rest, next_chunk: NextChunk) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            chunk, more = await first if isinstance(first, Rest) else first
            while True:
                size += len(chunk)
                self.held += len(chunk)
                self.check_size(size)
                self._check_memory(size)
                chunks.append(chunk)
                if not more:
                    return b"".join(chunks)
                chunk, more = await next_chunk()
        finally:
            self.held -= size

    def check_size(self, size: int) -> None:
        """Refuse a body of too many bytes.

        Raises:
            Refused: The body is larger than ``aiohttp_max_body_size``.
        """
        if size > self._max_size:
            reason = f"the body is larger than {self._max_size} bytes (aiohttp_max_body_size)"
            raise Refused(413, reason, connection="close")

    def check_declared(self, headers: Mapping[str, str]) -> None:
        """Refuse by its Content-Length a body that is too large, before it is sent.

        Raises:
            Refused: The body would be larger than ``aiohttp_max_body_size``.
        """
        declared = headers.get("content-length", "")
        if declared.isdecimal():
            # Python refuses to read a number of thousands of digits; 20 are large enough.
            self.check_size(int(declared.lstrip("0")[:20] or "0"))

    def _check_memory(self, size: int) -> None:
        """Refuse a body when unfinished ones hold too much, and a small one at twice as much."""
        limit = self._max_memory if size > SMALL else 2 * self._max_memory
        if self.held > limit:
            reason = f"unfinished bodies hold {self._max_memory} bytes (aiohttp_max_body_memory)"
            raise Refused(503, reason, retry_after=str(RETRY_AFTER), connection="close")


def _has_expired(limit: Any) -> bool:
    expired = limit.expired
    return bool(expired() if callable(expired) else expired)


class Rest:
    """An awaitable that has begun and waits; whoever awaits it goes on with it."""

    def __init__(self, steps: Any, waits_for: Any) -> None:
        self._steps = steps
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Chunk]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = self._steps.throw(error)
                else:
                    waits_for = self._steps.send(sent)
        except StopIteration as end:
            chunk: Chunk = end.value
            return chunk


def begin(coroutine: Coroutine[Any, Any, Chunk]) -> Chunk | Rest:
    """Run a coroutine in this task up to its first wait, as ``await`` does (PEP 492)."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        chunk: Chunk = end.value
        return chunk
    return Rest(coroutine, waits_for)
