"""NoneBot's own lifespan, which one task runs from its start to its end.

Its task group is an anyio one, which the task that has entered it must leave. A host may start and
stop the driver in different tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from nonebot.utils import is_coroutine_callable, run_sync

from ..exceptions import RegistrationError, StartupError
from ..life.deadline import GRACE, SLICE, Deadline
from ..life.hooks import hook_name
from ..life.lifespan import end_work
from ..log import log_exception
from ..log.own import logger
from ..registration import hook_problem
from .events import EventWork

MARGIN = 0.1
"""Seconds by which a function is cut off earlier than all of NoneBot's shutdown would be."""


class ShutdownFunctions:
    """Runs NoneBot's shutdown functions, the last one first, so that none skips the others.

    NoneBot itself awaits one after the other, without limit, and ends at the first that fails.
    Before each function the events that adapters have polled meanwhile are waited for, because the
    function may be the adapter's, and cancel the tasks that it has started.

    Attributes:
        stuck: Set while a function goes on although it was cancelled.
    """

    def __init__(self, work: EventWork, deadline: Callable[[], Deadline | None]) -> None:
        """Make it without functions; ``deadline`` returns None if the stop has no deadline."""
        self._work = work
        self._deadline = deadline
        self._functions: list[Callable[[], Any]] = []
        self._left: list[Callable[[], Any]] = []
        self.stuck = asyncio.Event()

    def add(self, function: Callable[[], Any]) -> None:
        """Add a function, sync or async, which runs before those that were added earlier."""
        self._functions.append(function)

    @property
    def slices(self) -> int:
        """Slices of the stop's time: one a function, and one for NoneBot's tasks after them."""
        return len(self._functions) + 1

    async def run(self) -> None:
        """Run all functions."""
        self._left = list(self._functions)
        self.stuck.clear()
        await self.go_on()

    async def go_on(self) -> None:
        """Run the functions that have not run yet."""
        while self._left:
            function = self._left.pop()
            await self._end_events()
            await self._run(function)

    async def _end_events(self) -> None:
        deadline = self._deadline()
        if deadline is not None and self._work.describe_pending():
            await self._work.drain(deadline.for_hooks(behind=len(self._left) + 2))
            await end_work(self._work, deadline)

    async def _run(self, function: Callable[[], Any]) -> None:
        """Run a function in this task, because only here it can leave a startup function's scopes.

        For the same reason it is cancelled once and not put into a cancel scope: a scope that was
        entered earlier cannot be left within another one.
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
            # If the function has not met the cancellation, the next await of this task would.
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
        return max(deadline.for_hooks(behind=len(self._left) + 1) - MARGIN, 0.0)


class HookRegistration:
    """Registers the functions that users want to run at the start and at the stop."""

    _functions: ShutdownFunctions

    def on_startup(self, func: Any) -> Any:
        """Register a function that runs at the start.

        Args:
            func: ``func()``, sync or async. If it fails the bot does not start.

        Returns:
            ``func``, so that this serves as a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called without arguments.
        """
        if problem := hook_problem("on_startup", func):
            raise RegistrationError(problem)
        return super().on_startup(func)  # type: ignore[misc]

    def on_shutdown(self, func: Any) -> Any:
        """Register a function that runs at the stop, before those that are there.

        It runs after the events in flight have ended.

        Args:
            func: ``func()``, sync or async. If it fails or hangs the others run all the same.

        Returns:
            ``func``, so that this serves as a decorator.

        Raises:
            RegistrationError: ``func`` cannot be called without arguments.
        """
        if problem := hook_problem("on_shutdown", func):
            raise RegistrationError(problem)
        self._functions.add(func)
        return func


class _Cut:
    """Cancels the current task once, after some time.

    Attributes:
        is_done: Whether it has cancelled the task.
    """

    def __init__(
        self, seconds: float | None, log: Callable[[], object], stuck: asyncio.Event
    ) -> None:
        """Set the timer, or no timer if ``seconds`` is None.

        Args:
            log: Called when the task is cancelled.
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
        # Within the slice of time that is left for the functions behind this one.
        self._timer = self._loop.call_later(SLICE / 2, self._stuck.set)

    def disarm(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()


class LifespanKeeper:
    """Runs ``startup`` and ``shutdown`` of NoneBot's lifespan in one task of its own."""

    def __init__(self, lifespan: Any, functions: ShutdownFunctions) -> None:
        self._lifespan = lifespan
        self._functions = functions
        self._task: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None

    async def start(self) -> None:
        """Start the lifespan.

        Raises:
            StartupError: A startup function failed. The functions before it are shut down.
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
            # A function ignores its cancellation; the others run without it.
            await self._functions.go_on()
            await asyncio.wait({task})

    async def _keep(self, started: asyncio.Future[None], stop: asyncio.Event) -> None:
        failure: Exception = RuntimeError("A startup function waited for what was cancelled")
        try:
            await self._lifespan.startup()
            _end(started)
            await stop.wait()
        except asyncio.CancelledError:
            # A cancelled start is shut down as well, because its task group is open.
            _uncancel()
            # The group cancels itself only if one of its tasks has failed. Otherwise the end of the
            # process is forced.
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
        """Leave the task group, as NoneBot does after shutdown functions without a failure."""
        group = self._lifespan.task_group
        group.cancel_scope.cancel()
        with suppress(Exception):
            await group.__aexit__(None, None, None)
        self._lifespan._task_group = None


async def call_function(function: Callable[[], Any]) -> None:
    """Call a function of NoneBot's lifespan as NoneBot does: a sync one runs in a thread."""
    await (function() if is_coroutine_callable(function) else run_sync(function)())


async def _cut_off(keeping: asyncio.Task[None]) -> None:
    """Cut off the tasks of NoneBot's task group that delay its end, such as disconnect hooks."""
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
    """Take back this task's cancellation, because anyio would end any group with it."""
    # Python 3.10 does not count cancellations, and has no uncancel().
    uncancel = getattr(asyncio.current_task(), "uncancel", None)
    if uncancel is not None:
        uncancel()


def _end(started: asyncio.Future[None], failure: Exception | None = None) -> None:
    """Set how the start has ended, unless that is set, or nobody waits for it any more."""
    if started.done():
        return
    if failure is None:
        started.set_result(None)
    else:
        started.set_exception(failure)
