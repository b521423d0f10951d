"""Reading a body over ASGI, bounded in size, and in time by one timer for all of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from ..options import DriverOptions
from .asgi_socket import Event, Receive
from .interface import Refused, body_too_large, body_too_slow

LOOKS = 10
"""How often the timer looks within the time that a body may take."""


class BodyReader:
    """Reads the bodies of requests, on one event loop at a time.

    Nearly every body is there when it is read, and a timer of its own would cost more than that.
    So one looks after all of them, while there are any, and cancels the task that reads too long:
    it gets the time that it may take, and up to a tenth more.
    """

    def __init__(self, options: DriverOptions) -> None:
        """Begin with nothing to read.

        Args:
            options: The driver's settings.
        """
        self._limit = options.max_body_size
        self._digits = len(str(self._limit))
        self._seconds = options.body_timeout
        # Who reads, and since which look; and who of them was cancelled for it.
        self._reading: dict[asyncio.Task[Any], int] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._looks = 0
        # Where the timer runs; None when nobody has read lately.
        self._timer_loop: asyncio.AbstractEventLoop | None = None

    async def read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read the whole body, unless it is declared too large.

        Args:
            headers: The headers of the request.
            receive: ASGI's receive.

        Returns:
            The body.

        Raises:
            Refused: It is too large, or too slow, or its sender is gone.
        """
        if len(headers.get("content-length", "")) >= self._digits:
            self._refuse_too_large(headers["content-length"])
        loop = asyncio.get_running_loop()
        if loop is not self._timer_loop:
            self._set_timer(loop)
        task: Any = asyncio.current_task(loop)
        self._reading[task] = self._looks
        try:
            event = await receive()
            body: bytes | None = event.get("body")
            if body is None or event.get("more_body") or len(body) > self._limit:
                return await self._read_on(event, receive)
            return body
        except asyncio.CancelledError:
            if self._take_back(task):
                raise body_too_slow(self._seconds) from None
            raise
        finally:
            self._reading.pop(task, None)
            if self._overdue:
                # Who was cancelled may have swallowed it, or have made another error of it.
                self._take_back(task)

    async def _read_on(self, event: Event, receive: Receive) -> bytes:
        """Read what does not come as a whole, or not at all; see ``read``."""
        chunks: list[bytes] = []
        room = self._limit
        while True:
            if event["type"] == "http.disconnect":
                raise Refused(400, "the client went away before the body was complete")
            chunk: bytes = event.get("body", b"")
            room -= len(chunk)
            if room < 0:
                raise body_too_large(self._limit)
            chunks.append(chunk)
            if not event.get("more_body"):
                return b"".join(chunks)
            event = await receive()

    def _refuse_too_large(self, declared: str) -> None:
        """Refuse a Content-Length over the limit, before its sender has sent what it announces."""
        # Python reads no number of thousands of digits.
        digits = declared.lstrip("0") if declared.isdecimal() else ""
        if len(digits) > self._digits or int(digits or "0") > self._limit:
            raise body_too_large(self._limit)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer_loop = loop
        loop.call_later(self._seconds / LOOKS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel those who read too long, and look again later if any read."""
        if loop is not self._timer_loop:
            # Another loop has taken over: the driver runs again.
            return
        self._looks += 1
        # A loop that was closed meanwhile has left its tasks.
        self._reading = {task: n for task, n in self._reading.items() if task.get_loop() is loop}
        self._timer_loop = None
        if self._reading:
            self._set_timer(loop)
        for task, began in self._reading.items():
            if self._looks - began > LOOKS and task not in self._overdue:
                self._overdue.add(task)
                task.cancel()

    def _take_back(self, task: asyncio.Task[Any]) -> bool:
        """Take this reader's cancellation of a task back, if there was one.

        Returns:
            Whether there was, and nobody else has cancelled the task.
        """
        if task not in self._overdue:
            return False
        self._overdue.discard(task)
        if sys.version_info >= (3, 11):
            return task.uncancel() == 0
        return True
