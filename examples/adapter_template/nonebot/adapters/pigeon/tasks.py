"""Tasks that end with the adapter."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from .log import log


class Tasks:
    """Tasks of one kind, which nobody awaits. They are kept, because asyncio keeps no task."""

    def __init__(self) -> None:
        """Begin without tasks."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task; an error of it is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def finish(self, seconds: float) -> None:
        """Let the tasks end by themselves, also those that are started meanwhile; then cancel."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._tasks:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait(self._tasks, timeout=left)
        await self.cancel()

    async def cancel(self) -> None:
        """End all tasks at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            log("ERROR", "A task has failed", error)
