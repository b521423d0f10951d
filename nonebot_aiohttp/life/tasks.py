"""``TaskSet``: keeps the tasks of handlers, so that none is lost and every failure is logged."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..log import OnceInAWhile
from ..log.naming import about, bot_name
from ..log.own import logger
from .deadline import GRACE as CANCEL_GRACE
from .failures import Failures, is_disconnected
from .hooks import running_hook

EAGER = sys.version_info >= (3, 12)
"""Whether a task can run to its first wait while it is created (``eager_start``, Python 3.12)."""

MOST_NAMES = 5
"""Hooks that are named when they are cut off."""

NewTask = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


class Owner(NamedTuple):
    """Whose a task is.

    Attributes:
        adapter: The adapter's name; empty for a task that belongs to no adapter.
        bot: The bot; None where it is unknown.
        label: What the log calls the owner; empty is the adapter's name.
    """

    adapter: str
    bot: Any = None
    label: str = ""

    @property
    def name(self) -> str:
        """The bot's name, or else ``shown``, for the log."""
        self_id = self.self_id
        return self.shown if self_id is None else bot_name(self_id, self.adapter)

    @property
    def shown(self) -> str:
        """The adapter's name, or the label, for the log."""
        return self.label or self.adapter

    @property
    def self_id(self) -> Any:
        """The bot's id; None where it is unknown."""
        return getattr(self.bot, "self_id", None)


class TaskSet:
    """Keeps the tasks of handlers until they end, and logs those that fail.

    A handler that ends without waiting is never added where Python has eager tasks.

    Attributes:
        kind: What the tasks are, for the log: ``"handler"``.
        failures: Logs the failures.
        failed: How many tasks have failed, or were cancelled by somebody else than the driver.
        cut_off: How many were cut off.
        crowded: Limits the warnings that a bot has many tasks.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.failures = Failures()
        self.failed = 0
        self.cut_off = 0
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

    def start(
        self, coroutine: Coroutine[Any, Any, Any], owner: str, bot: Any = None
    ) -> asyncio.Task[Any] | None:
        """Run a coroutine in a task, and return the task, or None if it has ended at once.

        ``owner`` is the adapter's name, for the log, and ``bot`` the bot, if there is one; in the
        other methods too.
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
            self.add(task, owner, bot)
            return task
        # Each webhook comes here, and most have nothing to log. So this calls nothing for them.
        if task.cancelled() or task.exception() is not None:
            self.add(task, owner, bot)
        return None

    def add(self, task: asyncio.Task[Any], owner: str, bot: Any = None, label: str = "") -> None:
        """Keep a task, which may have ended already; for ``label`` see ``Owner``."""
        if task.done():
            self._finish(task, Owner(owner, bot, label))
        else:
            self._tasks[task] = Owner(owner, bot, label)
            task.add_done_callback(self._forget)

    def track_current(self, owner: str, label: str = "") -> asyncio.Task[Any] | None:
        """Keep the current task, a server's own, while it runs a handler, and return it.

        The server itself bounds what it does afterwards: sending the answer. The result is None if
        the task is kept already, because a handler has called another handler.
        """
        task = asyncio.current_task()
        if task is None or task in self._tasks:
            return None
        self._tasks[task] = Owner(owner, None, label)
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
            other.add(task, *owner)

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
            self.failed += 1
            text = "{} of {} was cancelled, but not by the driver"
            logger.error(text, self._a_kind, owner.name, **about(owner.adapter, owner.self_id))

    def _log_failure(self, error: BaseException, owner: Owner) -> None:
        self.failed += 1
        text = f"{self._a_kind} of {owner.name} failed"
        if is_disconnected(error, owner.bot):
            self.failures.log_disconnected(text, error, adapter=owner.adapter, bot=owner.self_id)
        else:
            of_all = f"{self._a_kind} of {owner.shown} failed"
            self.failures.log(of_all, error, text, adapter=owner.adapter, bot=owner.self_id)

    def log_failed(self, text: str, error: BaseException, adapter: str) -> None:
        """Log that a handler of an adapter has failed that is not a task of its own."""
        self.failed += 1
        self.failures.log(text, error, adapter=adapter)

    def log_not_started(self, error: BaseException, owner: str, bot: Any = None) -> None:
        """Log that a handler has failed before its task was made."""
        self.failed += 1
        whose = Owner(owner, bot)
        of_all, this = (f"{self._a_kind} of {each} could not start" for each in (owner, whose.name))
        self.failures.log(of_all, error, this, adapter=owner, bot=whose.self_id)

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
        counts = Counter(
            (owner.shown, owner.adapter, self._is_awaited(each)) for each, owner in waiting.items()
        )
        for (shown, adapter, is_awaited), count in sorted(counts.items()):
            if is_awaited:
                self.log_lost(adapter, count, _hooks_of(waiting, adapter), shown)
            else:
                self.cut_off += count
                text = "Cut off {} {}(s) of {} that came after the stop began"
                logger.warning(text, count, self.kind, shown, **about(adapter))

    def _is_awaited(self, task: asyncio.Task[Any]) -> bool:
        return self._awaited is None or task in self._awaited

    def end_stop(self) -> None:
        """Log the failures that were only counted, and forget what the stop has waited for."""
        self._awaited = None
        self.failures.report()

    def log_lost(
        self, owner: str, count: int = 1, names: Iterable[str] = (), label: str = ""
    ) -> None:
        """Count and log tasks of an adapter that were cut off; ``names`` are those of hooks."""
        self.cut_off += count
        which = ", ".join(names)
        text, shown = "Cut off {} {}(s) of {} that had not ended{}", label or owner
        logger.error(text, count, self.kind, shown, which and f": {which}", **about(owner))


def _hooks_of(tasks: Mapping[asyncio.Task[Any], Owner], owner: str) -> list[str]:
    """Name the hooks that run in the tasks of an adapter, each once."""
    running = (running_hook(each) for each, whose in tasks.items() if whose.adapter == owner)
    return sorted({name for name in running if name})[:MOST_NAMES]


def start_task(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task, eagerly where Python can; the caller must keep it, the event loop does not."""
    return _task_maker(asyncio.get_running_loop())(coroutine)


def _task_maker(loop: asyncio.AbstractEventLoop) -> NewTask:
    if EAGER:
        return partial(asyncio.Task, loop=loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return loop.create_task
