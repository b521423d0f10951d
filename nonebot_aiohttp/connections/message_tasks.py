"""``MessageTasks``: one task for each message of a connection, and the limit of these tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..life.tasks import EAGER, TaskSet
from ..log.naming import about, bot_name
from ..log.own import logger


class TooManyTasks(Exception):
    """A connection has more handlers in flight than it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} events of this connection are in flight (aiohttp_max_inflight)")


class MessageTasks:
    """Starts a task for each message of a bot, as ``TaskSet.start`` does, but in a single call.

    One more call would be a twentieth of all that a message costs.
    """

    # Not a closure, which is three times as large: there are many idle connections.
    __slots__ = (
        "_begin",
        "_bot",
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
        """Take what each task needs, on the event loop where the tasks will run.

        Args:
            begin: Makes the coroutine of a task: the bot's ``handle_message``.
            owner: The adapter's name, for the log.
            bot: The bot, for the log; None where it is unknown.
            limit: Tasks that may run at once; a tenth of it logs a warning. None means no limit.
        """
        self._limit = limit
        self._running = 0
        self._new_task = tasks.bind()
        self._tasks = tasks
        self._begin = begin
        self._owner = owner
        self._bot = bot

    def start(self, message: Any) -> None:
        """Start a task for one message; an error of ``begin`` is logged, not raised.

        Raises:
            TooManyTasks: More tasks run than may run at once; this one runs too.
        """
        try:
            task = self._new_task(self._begin(message))
        except Exception as error:
            self._tasks.log_not_started(error, self._owner, self._bot)
        except (KeyboardInterrupt, SystemExit):
            self._tasks.log_lost(self._owner)
            raise
        else:
            if not task.done():
                self._tasks.add(task, self._owner, self._bot)
                if self._limit is not None:
                    self._check_limit(task)
            elif task.cancelled() or task.exception() is not None:
                self._tasks.add(task, self._owner, self._bot)

    def _check_limit(self, task: asyncio.Task[Any]) -> None:
        if EAGER:
            self._count(task)
        else:
            # Most tasks end in their first turn, which comes before this callback.
            task.get_loop().call_soon(self._count, task)
        if self._limit is not None and self._running > self._limit:
            raise TooManyTasks(self._limit)

    def _count(self, task: asyncio.Task[Any]) -> None:
        if task.done() or self._limit is None:
            return
        self._running += 1
        task.add_done_callback(self._uncount)
        if self._running == max(self._limit // 10, 2):
            bot = getattr(self._bot, "self_id", "")
            if self._tasks.crowded.is_due(bot):
                text = "{} {}s of {} run at once; at {} its connection is closed"
                tenth, kind = self._running, self._tasks.kind
                name = bot_name(bot, self._owner)
                logger.warning(text, tenth, kind, name, self._limit, **about(self._owner, bot))

    def _uncount(self, _task: asyncio.Task[Any]) -> None:
        self._running -= 1
