"""Reading a body over ASGI, bounded in size, and in time by one timer for all of them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ..drivers import HTTPRequest
from ..options import DriverOptions
from .asgi_socket import Receive
from .interface import Refused, body_too_large, body_too_slow

LOOKS = 10
"""How often the timer looks within the time that a body may take."""


class BodyReader:
    """Reads the bodies of requests.

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
        # Who reads, and since which look; and who was cancelled, with its count of cancellations.
        self._reading: dict[asyncio.Task[Any] | None, int] = {}
        self._overdue: dict[asyncio.Task[Any], int] = {}
        self._looks = 0
        self._watched: asyncio.AbstractEventLoop | None = None

    async def read(self, request: HTTPRequest, receive: Receive) -> bytes:
        """Read the whole body, unless it is declared too large.

        Args:
            request: Whose body it is.
            receive: ASGI's receive.

        Returns:
            The body.

        Raises:
            Refused: It is too large, or too slow, or its sender is gone.
        """
        declared = request.headers.get("content-length", "")
        if len(declared) >= self._digits and self._is_too_large(declared):
            raise body_too_large(self._limit)
        loop = asyncio.get_running_loop()
        if loop is not self._watched:
            self._watch(loop)
        task = asyncio.current_task(loop)
        self._reading[task] = self._looks
        chunks: list[bytes] = []
        room = self._limit
        try:
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise Refused(400, "the client went away before the body was complete")
                chunk: bytes = event.get("body", b"")
                room -= len(chunk)
                if room < 0:
                    raise body_too_large(self._limit)
                chunks.append(chunk)
                if not event.get("more_body"):
                    return b"".join(chunks)
        except asyncio.CancelledError:
            if self._is_overdue(task):
                raise body_too_slow(self._seconds) from None
            raise
        finally:
            self._reading.pop(task, None)

    def _is_too_large(self, declared: str) -> bool:
        # Python reads no number of thousands of digits.
        longer = len(declared.lstrip("0")) > self._digits
        return declared.isdecimal() and (longer or int(declared) > self._limit)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watched = loop
        loop.call_later(self._seconds / LOOKS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel those who read too long, and look again later if any read."""
        if loop is not self._watched:
            # Another loop has taken over: the driver runs again.
            return
        self._looks += 1
        # One that swallows its cancellation is not kept.
        self._overdue = {task: n for task, n in self._overdue.items() if task in self._reading}
        for task, began in self._reading.items():
            if task is not None and self._looks - began > LOOKS and task not in self._overdue:
                self._overdue[task] = _cancellations(task)
                task.cancel()
        self._watched = None
        if self._reading:
            self._watch(loop)

    def _is_overdue(self, task: asyncio.Task[Any] | None) -> bool:
        """Tell whether a cancellation is this reader's own, and take it back if it is."""
        if task is None or task not in self._overdue:
            return False
        before = self._overdue.pop(task)
        if sys.version_info >= (3, 11):
            # As asyncio.timeout() does: somebody else may have cancelled the task as well.
            return task.uncancel() <= before
        return True


def _cancellations(task: asyncio.Task[Any]) -> int:
    return task.cancelling() if sys.version_info >= (3, 11) else 0
