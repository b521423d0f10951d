"""``TaskSet``: keeps the tasks of handlers, so that none is lost and every failure is logged."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from ..log import OnceInAWhile
from ..log.naming import bot_name
from ..log.own import logger
from .deadline import GRACE as CANCEL_GRACE
from .failures import Failures, is_disconnected

EAGER = sys.version_info >= (3, 12)
"""Whether a task can run to its first wait while it is created (``eager_start``, Python 3.12)."""

NewTask = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


class Owner(NamedTuple):
    """Whose a task is.

    Attributes:
        adapter: The adapter's name.
        bot: The bot, if it has a connection of its own; None otherwise.
    """

    adapter: str
    bot: Any = None


class TaskSet:
    """Keeps the tasks of handlers until they end, and logs those that fail.

    A handler that ends without waiting is never added where Python has eager tasks.

    Attributes:
        kind: What the tasks are, for the log: ``"handler"``.
        failures: Logs the failures.
        crowded: Limits the warnings that a bot has many tasks.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.failures = Failures()
        self.crowded = OnceInAWhile()
        self._tasks: dict[asyncio.Task[Any], Owner] = {}
        self._cut_off: set[asyncio.Task[Any]] = set()
        # The tasks that the stop waits for; None while the driver does not stop.
        self._awaited: frozenset[asyncio.Task[Any]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._new_task: NewTask

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Any:
        return iter(tuple(self._tasks))

    def bind(self) -> NewTask:
        """Use the running event loop from now on, and return what makes tasks on it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._new_task = loop, _task_maker(loop)
        return self._new_task

    def start(self, coroutine: Coroutine[Any, Any, Any], owner: str) -> asyncio.Task[Any] | None:
        """Run a coroutine in a task, and return the task, or None if it has ended at once.

        ``owner`` is the adapter's name, for the log; in the other methods too.
        """
        try:
            if asyncio.get_running_loop() is not self._loop:
                self.bind()
            task = self._new_task(coroutine)
        except (KeyboardInterrupt, SystemExit):
            # An eager task raises them in its caller, so the task is not there to be logged later.
            self.log_lost(owner)
            raise
        if not task.done():
            self.add(task, owner)
            return task
        # Each webhook comes here, and most have nothing to log. So this calls nothing for them.
        if task.cancelled() or task.exception() is not None:
            self.add(task, owner)
        return None

    def add(self, task: asyncio.Task[Any], owner: str, bot: Any = None) -> None:
        """Keep a task, which may have ended already; for ``bot`` see ``Owner``."""
        if task.done():
            self._finish(task, Owner(owner, bot))
        else:
            self._tasks[task] = Owner(owner, bot)
            task.add_done_callback(self._forget)

    def track_current(self, owner: str) -> asyncio.Task[Any] | None:
        """Keep the current task, a server's own, while it runs a handler, and return it.

        The server itself bounds what it does afterwards: sending the answer. The result is None if
        the task is kept already, because a handler has called another handler.
        """
        task = asyncio.current_task()
        if task is None or task in self._tasks:
            return None
        self._tasks[task] = Owner(owner)
        return task

    def untrack(self, task: asyncio.Task[Any] | None) -> None:
        """Stop keeping what ``track_current`` has returned; the server handles its failure."""
        if task is not None:
            del self._tasks[task]
            self._cut_off.discard(task)

    def hand_over(self, task: asyncio.Task[Any], other: TaskSet) -> None:
        """Move a task, unless it has ended, to a set that the stop waits for at another time."""
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
            text = f"{self._a_kind} of {bot_name(bot.self_id, adapter)} failed"
            self.failures.log_disconnected(text, error)
        else:
            self.failures.log(f"{self._a_kind} of {adapter} failed", error)

    def describe_pending(self) -> str:
        """Return for the log how many tasks have not ended; empty if all have."""
        return f"{len(self._tasks)} {self.kind}(s)" if self._tasks else ""

    async def drain(self, timeout: float) -> None:
        """Wait ``timeout`` seconds at most for the tasks that run now, not for later ones."""
        self._awaited = frozenset(self._tasks)
        if self._tasks:
            await asyncio.wait(self._awaited, timeout=timeout)

    async def cancel(self, grace: float = CANCEL_GRACE) -> bool:
        """Cancel and log all tasks that still run, and wait for ``grace`` seconds until they end.

        Return whether ``drain`` has waited for any of them in vain.
        """
        tasks = tuple(self._tasks)
        self.log_cut_off()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        return any(map(self._is_awaited, tasks))

    def log_cut_off(self) -> None:
        """Log how many tasks of each adapter are about to be cut off, each task once."""
        waiting = {each: owner for each, owner in self._tasks.items() if each not in self._cut_off}
        self._cut_off.update(waiting)
        counts = Counter((owner.adapter, self._is_awaited(each)) for each, owner in waiting.items())
        for (owner, is_awaited), count in sorted(counts.items()):
            if is_awaited:
                self.log_lost(owner, count)
            else:
                text = "Cut off {} {}(s) of {} that came after the stop began"
                logger.warning(text, count, self.kind, owner)

    def _is_awaited(self, task: asyncio.Task[Any]) -> bool:
        return self._awaited is None or task in self._awaited

    def end_stop(self) -> None:
        """Log the failures that were only counted, and forget what the stop has waited for."""
        self._awaited = None
        self.failures.report()

    def log_lost(self, owner: str, count: int = 1) -> None:
        """Log that tasks of an adapter were cut off."""
        logger.error("Cut off {} {}(s) of {} that had not ended", count, self.kind, owner)


def start_task(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task, eagerly where Python can; the caller must keep it, the event loop does not."""
    return _task_maker(asyncio.get_running_loop())(coroutine)


def _task_maker(loop: asyncio.AbstractEventLoop) -> NewTask:
    if EAGER:
        return partial(asyncio.Task, loop=loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return loop.create_task
