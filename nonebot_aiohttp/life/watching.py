"""``PeriodicWatch``: what looks at something again and again while the driver runs."""

from __future__ import annotations

import abc
import asyncio

from ..log import log_exception


class PeriodicWatch(abc.ABC):
    """Looks now and then, on the event loop that has started it, also after a look that failed."""

    def __init__(self, interval: float, subject: str) -> None:
        """Look at nothing yet.

        Args:
            interval: Seconds from one look to the next.
            subject: What it looks after, for the log.
        """
        self._interval = interval
        self._subject = subject
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.ensure_future(self._watch())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except Exception as error:
                log_exception("ERROR", f"Looking after {self._subject} failed", error)

    @abc.abstractmethod
    async def look(self) -> None:
        """Look once."""
