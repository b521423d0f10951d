"""NoneBot's own lifespan, kept in one task from its start to its end.

Its task group is anyio's, which has to be left by the task that entered it; a host may start and
stop the driver from different ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import anyio
from nonebot.utils import is_coroutine_callable, run_sync

from ..exceptions import StartupError
from ..hooks import hook_name
from ..lifespan import Lifespan, State
from ..log import log_exception, logger
from ..tasks import CANCEL_GRACE

MARGIN = 0.1
"""Seconds by which a function is cut off before all of NoneBot's shutdown would be."""


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
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                await _cut_off(task)
                raise

    async def _keep(self, started: asyncio.Future[None], stop: asyncio.Event) -> None:
        failure: Exception = RuntimeError("A startup function waited for what was cancelled")
        try:
            await self._lifespan.startup()
            _end(started)
            await stop.wait()
        except asyncio.CancelledError:
            # A start that is given up is shut down as well, for its task group is open.
            _uncancel()
            # Only its own failure has the group cancel itself; else the process is forced to end.
            failed = self._lifespan.task_group.cancel_scope.cancel_called
            if failed and started.done() and not started.cancelled():
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


class ShutdownFunctions:
    """Bounds NoneBot's shutdown functions, so that none of them skips those behind it.

    NoneBot awaits them one after the other, without limit, and ends at the first that fails.
    """

    def __init__(self, life: Lifespan) -> None:
        """Begin without functions.

        Args:
            life: Knows the deadline of the stop.
        """
        self._life = life
        self._count = 0

    def bounded(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Wrap a function.

        Args:
            function: The function, sync or async; a sync one runs in a thread, as NoneBot has it.

        Returns:
            An async function that raises nothing, and ends in time.
        """
        # They run in reverse: those that were registered before run behind it.
        more_follow = self._count > 0
        self._count += 1

        @wraps(function)
        async def run() -> None:
            # Not a task of its own: what a startup function has entered is left in its own task.
            with anyio.move_on_after(self._seconds(more_follow)) as scope:
                try:
                    await call_function(function)
                except Exception as error:
                    name = hook_name(function)
                    log_exception("ERROR", f"The shutdown function {name} failed", error)
            if scope.cancelled_caught:
                self._life.all_ended = False
                text = "Cut off the shutdown function {} that had not ended"
                logger.error(text, hook_name(function))

        return run

    def _seconds(self, more_follow: bool) -> float:
        deadline = self._life.deadline
        if deadline is None or self._life.state is State.IDLE:
            return float("inf")
        return max(deadline.for_hooks(more_follow=more_follow) - MARGIN, 0.0)


async def call_function(function: Callable[[], Any]) -> None:
    """Call a function of NoneBot's lifespan as NoneBot does.

    Args:
        function: The function, sync or async; a sync one runs in a thread.
    """
    await (function() if is_coroutine_callable(function) else run_sync(function)())


async def _cut_off(keeping: asyncio.Task[None]) -> None:
    """Cut off the tasks of NoneBot's task group that hold up its end, such as disconnect hooks."""
    names = {
        each.id: each.name for each in anyio.get_running_tasks() if each.parent_id == id(keeping)
    }
    for task in asyncio.all_tasks():
        if id(task) in names:
            logger.error("Cut off a task of driver.task_group: {}", names[id(task)])
            # NoneBot shields its hooks from the group's own cancellation.
            task.cancel()
    keeping.cancel()
    await asyncio.wait({keeping}, timeout=CANCEL_GRACE / 2)


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
