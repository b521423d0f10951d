"""NoneBot's own lifespan, kept in one task from its start to its end.

Its task group is anyio's, which has to be left by the task that entered it; a host may start and
stop the driver from different ones.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..log import log_exception


class LifespanKeeper:
    """Runs a lifespan's ``startup`` and ``shutdown`` in a task of its own."""

    def __init__(self, lifespan: Any) -> None:
        """Take NoneBot's lifespan.

        Args:
            lifespan: What has ``startup()`` and ``shutdown()``.
        """
        self._lifespan = lifespan
        self._task: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None

    async def start(self) -> None:
        """Start the lifespan.

        Raises:
            Exception: What a startup function raised; what had started is shut down.
        """
        self._stop = asyncio.Event()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(started, self._stop))
        try:
            await started
        except asyncio.CancelledError:
            self._task.cancel()
            raise

    async def stop(self) -> None:
        """Shut the lifespan down and wait for its end."""
        task, self._task = self._task, None
        if task is not None and self._stop is not None:
            self._stop.set()
            await task

    async def _keep(self, started: asyncio.Future[None], stop: asyncio.Event) -> None:
        try:
            await self._lifespan.startup()
        except Exception as error:
            await self._shut_down()
            started.set_exception(error)
            return
        started.set_result(None)
        await stop.wait()
        await self._shut_down()

    async def _shut_down(self) -> None:
        try:
            await self._lifespan.shutdown()
        except Exception as error:
            log_exception("ERROR", "A shutdown function of NoneBot failed", error)
