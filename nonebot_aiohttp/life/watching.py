"""``PeriodicWatch``: looks at something again and again while the driver runs."""

from __future__ import annotations

import abc
import asyncio

from ..log import log_exception


class PeriodicWatch(abc.ABC):
    """Looks at regular intervals, and goes on after a look that failed."""

    def __init__(self, interval: float, subject: str) -> None:
        """Set the interval in seconds, and name for the log what is looked at."""
        self._interval = interval
        self._subject = subject
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start looking, on the running event loop."""
        self._task = asyncio.ensure_future(self._watch())

    def stop(self) -> None:
        """Stop looking."""
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
