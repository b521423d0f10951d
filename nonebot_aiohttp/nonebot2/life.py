"""NoneBot's own lifespan, kept in one task from its start to its end.

Its task group is anyio's, which has to be left by the task that entered it; a host may start and
stop the driver from different ones.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from ..exceptions import StartupError
from ..log import log_exception, logger


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
            StartupError: A startup function failed; what had started is shut down.
        """
        self._stop = asyncio.Event()
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(started, self._stop))
        try:
            await started
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        except Exception as error:
            raise StartupError("A startup function of NoneBot failed") from error

    async def stop(self) -> None:
        """Shut the lifespan down and wait for its end."""
        task, self._task = self._task, None
        if task is not None and self._stop is not None:
            self._stop.set()
            await task

    async def _keep(self, started: asyncio.Future[None], stop: asyncio.Event) -> None:
        failure: Exception = RuntimeError("A startup function waited for what was cancelled")
        try:
            await self._lifespan.startup()
            _end(started)
            await stop.wait()
        except asyncio.CancelledError:
            # A start that is given up is shut down as well, for its task group is open.
            _uncancel()
            if started.done() and not started.cancelled():
                logger.error(
                    "A task of driver.task_group has failed, which ends NoneBot's lifespan: the"
                    " bot has to be restarted"
                )
        except Exception as error:
            failure = error
        await self._shut_down()
        _end(started, failure)

    async def _shut_down(self) -> None:
        try:
            await self._lifespan.shutdown()
        except Exception as error:
            log_exception("ERROR", "A shutdown function of NoneBot failed", error)
            await self._end_tasks()

    async def _end_tasks(self) -> None:
        """Leave the task group, as NoneBot does after shutdown functions that have not failed."""
        group = self._lifespan.task_group
        group.cancel_scope.cancel()
        with suppress(Exception):
            await group.__aexit__(None, None, None)
        self._lifespan._task_group = None


def _uncancel() -> None:
    """Take back this task's cancellation, for anyio would have it end any group at once."""
    # Python 3.10 does not count cancellations.
    uncancel = getattr(asyncio.current_task(), "uncancel", None)
    if uncancel is not None:
        uncancel()


def _end(started: asyncio.Future[None], failure: Exception | None = None) -> None:
    """Say how the start has ended, unless that is said, or nobody waits for it any more."""
    if started.done():
        return
    if failure is None:
        started.set_result(None)
    else:
        started.set_exception(failure)
