"""``TaskSet``, the only place that starts tasks for handlers: none is lost, none fails unheard."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from ..log import OnceInAWhile, logger
from .deadline import GRACE as CANCEL_GRACE
from .failures import Failures, is_disconnected

EAGER = sys.version_info >= (3, 12)
"""Whether tasks can run up to their first wait at once (``eager_start``, Python 3.12)."""

NewTask = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


class Owner(NamedTuple):
    """Whose a task is.

    Attributes:
        adapter: The adapter's name.
        bot: The bot, where the task belongs to one with a connection of its own.
    """

    adapter: str
    bot: Any = None


class TaskSet:
    """Keeps the tasks of handlers until they end, and logs those that fail.

    A handler that ends without waiting costs no trip through the event loop where Python has eager
    tasks, and is never entered into the set.

    Attributes:
        kind: What the tasks are, for the log.
        failures: Where failures are logged.
        crowded: Bots of which was logged just now that they have many.
    """

    def __init__(self, kind: str) -> None:
        """Begin empty.

        Args:
            kind: What the tasks are, for the log: ``"handler"``.
        """
        self.kind = kind
        self.failures = Failures()
        self.crowded = OnceInAWhile()
        self._tasks: dict[asyncio.Task[Any], Owner] = {}
        self._cut_off: set[asyncio.Task[Any]] = set()
        # Those that a stop waits for; None while there is none.
        self._awaited: frozenset[asyncio.Task[Any]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._new_task: NewTask

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Any:
        return iter(tuple(self._tasks))

    def bind(self) -> NewTask:
        """Go over to the running loop.

        Returns:
            What makes tasks there, the fastest that there is.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._new_task = loop, _task_maker(loop)
        return self._new_task

    def start(self, coroutine: Coroutine[Any, Any, Any], owner: str) -> asyncio.Task[Any] | None:
        """Run a coroutine in a task of its own.

        Args:
            coroutine: What to run.
            owner: Whose it is, for the log: the adapter's name.

        Returns:
            The task; None when it has ended within the start.
        """
        try:
            if asyncio.get_running_loop() is not self._loop:
                self.bind()
            task = self._new_task(coroutine)
        except (KeyboardInterrupt, SystemExit):
            # They leave an eager task by its caller, and the task is not there to be logged later.
            self._log_cut_off(owner, 1)
            raise
        if not task.done():
            self.add(task, owner)
            return task
        # With nothing to log as a rule, which is why this does not ask for a call more.
        if task.cancelled() or task.exception() is not None:
            self._finish(task, Owner(owner))
        return None

    def add(self, task: asyncio.Task[Any], owner: str, bot: Any = None) -> None:
        """Take a task in, which may have ended already.

        Args:
            task: The task.
            owner: Whose it is, for the log: the adapter's name.
            bot: Its bot, if that has a connection of its own; None if not.
        """
        if task.done():
            self._finish(task, Owner(owner, bot))
        else:
            self._tasks[task] = Owner(owner, bot)
            task.add_done_callback(self._forget)

    def enter(self, owner: str) -> asyncio.Task[Any] | None:
        """Track the current task, a server's own, for as long as it runs a handler.

        What the server does afterwards, such as sending the answer, is bounded by the server.

        Args:
            owner: Whose handler it is, for the log: the adapter's name.

        Returns:
            The task, for ``leave``; None for one that is here already, because a handler asks for
            another one within its own task.
        """
        task = asyncio.current_task()
        if task is None or task in self._tasks:
            return None
        self._tasks[task] = Owner(owner)
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """Let a task go on that has entered; whether it fails is its server's business.

        Args:
            task: What ``enter`` has returned.
        """
        if task is not None:
            del self._tasks[task]
            self._cut_off.discard(task)

    def hand_over(self, task: asyncio.Task[Any], other: TaskSet) -> None:
        """Leave a task to another set, where it is waited for in another way.

        Args:
            task: The task; does nothing if it is not here.
            other: The set that takes it.
        """
        owner = self._tasks.pop(task, None)
        if owner is not None:
            task.remove_done_callback(self._forget)
            other.add(task, owner.adapter, owner.bot)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._finish(task, self._tasks.pop(task))
        self._cut_off.discard(task)

    @property
    def _a_kind(self) -> str:
        return f"{'An' if self.kind.startswith('HTTP') else 'A'} {self.kind}"

    def _finish(self, task: asyncio.Task[Any], owner: Owner) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log_failure(error, owner)
        elif task.cancelled() and task not in self._cut_off:
            logger.error(
                "{} of {} was cancelled, but not by the driver", self._a_kind, owner.adapter
            )

    def _log_failure(self, error: BaseException, owner: Owner) -> None:
        adapter, bot = owner
        if is_disconnected(error, bot):
            text = f"{self._a_kind} of bot {bot.self_id} of {adapter} failed"
            self.failures.log_disconnected(text, error)
        else:
            self.failures.log(f"{self._a_kind} of {adapter} failed", error)

    def in_work(self) -> str:
        """Say what has not ended, for the log; empty if all has."""
        return f"{len(self._tasks)} {self.kind}(s)" if self._tasks else ""

    async def drain(self, timeout: float) -> None:
        """Wait for the tasks that run now; those that start later prolong nothing.

        Args:
            timeout: Seconds to wait at most.
        """
        self._awaited = frozenset(self._tasks)
        if self._tasks:
            await asyncio.wait(self._awaited, timeout=timeout)

    async def cancel(self, grace: float = CANCEL_GRACE) -> bool:
        """Cancel all that still run, log how many of whom, and wait for their ends.

        Args:
            grace: Seconds to wait for tasks that do not end at once when cancelled.

        Returns:
            Whether a stop has waited for any of them in vain.
        """
        tasks = tuple(self._tasks)
        self.log_cut_off()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        return any(map(self._is_awaited, tasks))

    def log_cut_off(self) -> None:
        """Log what is about to be cut off, unless that was logged: how many of whom."""
        waiting = {each: owner for each, owner in self._tasks.items() if each not in self._cut_off}
        self._cut_off.update(waiting)
        counts = Counter((owner.adapter, self._is_awaited(each)) for each, owner in waiting.items())
        for (owner, is_awaited), count in sorted(counts.items()):
            if is_awaited:
                self._log_cut_off(owner, count)
            else:
                text = "Cut off {} {}(s) of {} that came after the stop began"
                logger.warning(text, count, self.kind, owner)

    def _is_awaited(self, task: asyncio.Task[Any]) -> bool:
        return self._awaited is None or task in self._awaited

    def end_stop(self) -> None:
        """Log what was only counted of failures, and begin anew."""
        self._awaited = None
        self.failures.report()

    def _log_cut_off(self, owner: str, count: int) -> None:
        logger.error("Cut off {} {}(s) of {} that had not ended", count, self.kind, owner)


def start_task(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task, eagerly where Python can.

    Args:
        coroutine: What to run.

    Returns:
        The task. The caller keeps the reference that the event loop does not.
    """
    loop = asyncio.get_running_loop()
    if EAGER:
        return asyncio.Task(coroutine, loop=loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return loop.create_task(coroutine)


def _task_maker(loop: asyncio.AbstractEventLoop) -> NewTask:
    if EAGER:
        return partial(asyncio.Task, loop=loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return loop.create_task
