"""``MessageTasks``: the tasks of one connection's messages, and how many of them run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..life.tasks import EAGER, TaskSet
from ..log import logger


class TooManyTasks(Exception):
    """A connection has so many handlers at work as one may have."""

    def __init__(self, limit: int) -> None:
        """Say how many.

        Args:
            limit: How many.
        """
        super().__init__(f"{limit} events of this connection are in work (aiohttp_max_inflight)")


class MessageTasks:
    """Starts one task of an owner after the other, such as one for each message of a bot.

    It does what ``TaskSet.start`` does, in a single call: of all that a message costs, a call more
    is a twentieth.
    """

    # Not a closure, which is three times as large: idle connections are many.
    __slots__ = (
        "_begin",
        "_bot",
        "_is_over",
        "_limit",
        "_new_task",
        "_owner",
        "_running",
        "_tasks",
    )

    def __init__(
        self,
        tasks: TaskSet,
        begin: Callable[[Any], Coroutine[Any, Any, Any]],
        owner: str,
        bot: Any = None,
        limit: int | None = None,
    ) -> None:
        """Take what each task needs; on the event loop where they will run.

        Args:
            tasks: Where the tasks go.
            begin: Makes the coroutine of a task: a bot's ``handle_message``.
            owner: Whose they are, for the log: the adapter's name.
            bot: The bot, if it has a connection of its own; None if not.
            limit: Tasks that may run at once, with a warning at a tenth of them; None is no limit.
        """
        self._limit = limit
        self._running = 0
        self._new_task = tasks.bind()
        self._tasks = tasks
        self._begin = begin
        self._owner = owner
        self._bot = bot

    def start(self, item: Any) -> None:
        """Start a task for one item; never waits, and an error is logged, not raised.

        Args:
            item: What the coroutine is made of: a message.

        Raises:
            TooManyTasks: So many run now as may; the last one is this one.
        """
        try:
            task = self._new_task(self._begin(item))
        except Exception as error:
            self._tasks.failures.log(
                f"A {self._tasks.kind} of {self._owner} could not start", error
            )
        except (KeyboardInterrupt, SystemExit):
            self._tasks._log_cut_off(self._owner, 1)
            raise
        else:
            if not task.done():
                self._tasks.add(task, self._owner, self._bot)
                if self._limit is not None:
                    self._count(task)
            elif task.cancelled() or task.exception() is not None:
                self._tasks.add(task, self._owner, self._bot)

    def _count(self, task: asyncio.Task[Any]) -> None:
        if EAGER:
            self._enter(task)
        else:
            # It has not had its first turn, in which most end; one that is made now is before this.
            task.get_loop().call_soon(self._enter, task)
        if self._limit is not None and self._running > self._limit:
            raise TooManyTasks(self._limit)

    def _enter(self, task: asyncio.Task[Any]) -> None:
        if task.done() or self._limit is None:
            return
        self._running += 1
        task.add_done_callback(self._discount)
        if self._running == max(self._limit // 10, 2):
            bot = getattr(self._bot, "self_id", "")
            if self._tasks.crowded.is_due(bot):
                text = "{} {}s of bot {} of {} run at once; at {} its connection is closed"
                tenth, kind = self._running, self._tasks.kind
                logger.warning(text, tenth, kind, bot, self._owner, self._limit)

    def _discount(self, _task: asyncio.Task[Any]) -> None:
        self._running -= 1
