"""NoneBot's own lifespan, kept in one task from its start to its end.

Its task group is anyio's, which has to be left by the task that entered it; a host may start and
stop the driver from different ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from nonebot.utils import is_coroutine_callable, run_sync

from ..exceptions import StartupError
from ..life.deadline import GRACE, SLICE, Deadline
from ..life.hooks import hook_name
from ..life.lifespan import end_work
from ..log import log_exception, logger
from .events import EventWork

MARGIN = 0.1
"""Seconds by which a function is cut off before all of NoneBot's shutdown would be."""


class ShutdownFunctions:
    """Runs NoneBot's shutdown functions, so that none of them skips those behind it.

    NoneBot awaits them one after the other, without limit, and ends at the first that fails. Events
    that adapters have polled meanwhile are waited for before each of them: it may be the adapter's
    own, which cancels what it has started.
    """

    def __init__(self, work: EventWork, deadline: Callable[[], Deadline | None]) -> None:
        """Begin without functions.

        Args:
            work: The events in flight.
            deadline: Gives that of the stop; None where NoneBot's lifespan ends without one.
        """
        self._work = work
        self._deadline = deadline
        self._functions: list[Callable[[], Any]] = []
        self._left: list[Callable[[], Any]] = []
        self.stuck = asyncio.Event()

    def add(self, function: Callable[[], Any]) -> None:
        """Add a function, sync or async; it runs before those that are there."""
        self._functions.append(function)

    async def run(self) -> None:
        """Run all."""
        self._left = list(self._functions)
        self.stuck.clear()
        await self.go_on()

    async def go_on(self) -> None:
        """Run those that have not run yet."""
        while self._left:
            function = self._left.pop()
            await self._end_events()
            await self._run(function)

    async def _end_events(self) -> None:
        deadline = self._deadline()
        if deadline is not None and self._work.in_work():
            await self._work.drain(deadline.for_hooks(behind=len(self._left) + 1))
            await end_work(self._work, deadline)

    async def _run(self, function: Callable[[], Any]) -> None:
        """Run a function in this task: what a startup function has entered is left here only.

        For the same reason it is cancelled once rather than put into a cancel scope: a scope that
        was entered before cannot be left within another one.
        """
        cut = _Cut(self._seconds(), partial(self._log_cut_off, function), self.stuck)
        try:
            await call_function(function)
        except asyncio.CancelledError:
            if not cut.is_done:
                raise
        except Exception as error:
            text = f"The shutdown function {hook_name(function)} failed"
            log_exception("ERROR", text, error)
        finally:
            cut.disarm()
        if cut.is_done:
            # It may not have met the cancellation, which then waits for the next one who waits.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            _uncancel()

    def _log_cut_off(self, function: Callable[[], Any]) -> None:
        text = "Cut off the shutdown function {} that had not ended"
        logger.error(text, hook_name(function))
        deadline = self._deadline()
        if deadline is not None:
            deadline.all_ended = False

    def _seconds(self) -> float | None:
        deadline = self._deadline()
        if deadline is None:
            return None
        return max(deadline.for_hooks(behind=len(self._left)) - MARGIN, 0.0)


class _Cut:
    """Cancels the current task once, after some time.

    Attributes:
        is_done: Whether it has.
    """

    def __init__(
        self, seconds: float | None, log: Callable[[], object], stuck: asyncio.Event
    ) -> None:
        """Set the timer.

        Args:
            seconds: The time; None sets no timer.
            log: Called when it cancels.
            stuck: Set when the task goes on nevertheless.
        """
        self.is_done = False
        self._log = log
        self._stuck = stuck
        self._task: Any = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._timer = None if seconds is None else self._loop.call_later(seconds, self._cancel)

    def _cancel(self) -> None:
        self.is_done = True
        self._log()
        self._task.cancel()
        # Within the slice that is left for those behind it.
        self._timer = self._loop.call_later(SLICE / 2, self._stuck.set)

    def disarm(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()


class LifespanKeeper:
    """Runs a lifespan's ``startup`` and ``shutdown`` in a task of its own."""

    def __init__(self, lifespan: Any, functions: ShutdownFunctions) -> None:
        """Take NoneBot's lifespan.

        Args:
            lifespan: What has ``startup()`` and ``shutdown()``.
            functions: The shutdown functions, which the latter runs.
        """
        self._lifespan = lifespan
        self._functions = functions
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
                await self._until_ended(task)
            except asyncio.CancelledError:
                await _cut_off(task)
                raise

    async def _until_ended(self, task: asyncio.Task[None]) -> None:
        stuck = asyncio.ensure_future(self._functions.stuck.wait())
        await asyncio.wait({task, stuck}, return_when=asyncio.FIRST_COMPLETED)
        stuck.cancel()
        if not task.done():
            # One refuses to be cancelled; the others go on without it.
            await self._functions.go_on()
            await asyncio.wait({task})

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
    await asyncio.wait({keeping}, timeout=GRACE / 2)


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
