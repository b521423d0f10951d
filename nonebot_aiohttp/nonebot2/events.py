"""The events that NoneBot is handling, found in the tasks that adapters have started for them.

This module guards the promise that an acknowledged event is handled. An event begins in its
adapter's ``Bot.handle_event``, which may call an API to look up a reply, long before it begins in
``nonebot.message.handle_event``. It ends with the matchers, which NoneBot shields from
cancellation. While the bot runs nothing is counted; the stop inspects all tasks.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from types import CodeType, CoroutineType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import anyio
from nonebot.adapters import Bot

from ..life.deadline import LEAST_GRACE
from ..life.tasks import TaskSet
from ..log.naming import about, bot_name
from ..log.own import logger
from .websocket import receive_observers

QUIET_SECONDS = 0.2
"""Seconds without an event after which all count as ended: an adapter may have a queue of them."""

FIRST_TURNS = 3
"""Turns of the event loop after which a new task has reached the ``handle_event`` of its event."""

LOOK_PAUSE = 0.02
"""Least seconds between two looks at the tasks."""

MOST_TASKS = 1000
"""Tasks of the loop beyond which events are counted at the stop only: looking takes 4 ms."""

LOOKS_SHARE = 0.1
"""Largest share of the time that looks take if there are many tasks."""


COUNT_LASTS = 1.0
"""Seconds for which a count of the events in flight holds."""

MANY = 2_000
"""WebSockets from which nobody waits for the count to its end."""

PAUSE = 0.005
"""Seconds between two turns of a count for which nobody waits."""

TASKS_A_TURN = 200
"""Tasks that are looked at before the rest of the loop has its turn."""


class Event(NamedTuple):
    """An event that is being handled.

    Attributes:
        task: The task that handles it, and may handle others afterwards.
        handling: The coroutine of ``handle_event``.
    """

    task: asyncio.Task[Any]
    handling: Any


class EventWork:
    """The work in flight of this face: HTTP requests, and the events that adapters make of data.

    Events that an adapter handles within a WebSocket's handle function count as well. The task of
    that function is not cancelled with them; it ends when its WebSocket is closed.

    Attributes:
        cut_off: How many events were cut off.
    """

    def __init__(self, requests: TaskSet, websockets: TaskSet) -> None:
        self._requests = requests
        self._websockets = websockets
        # The tasks whose events have been logged as cut off.
        self._cut_off: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._origins: _Origins | None = None
        self.cut_off = 0
        # How many events are in flight, and the monotonic time when they were counted.
        self._counted = 0, -COUNT_LASTS
        self._counting: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """Use the running event loop until ``end_stop``."""
        self._loop = asyncio.get_running_loop()

    def in_flight(self) -> int:
        """Count the events that are being handled, in any thread; a count holds for a second."""
        count, when = self._counted
        if self._counting is not None or time.monotonic() - when < COUNT_LASTS:
            return count
        return 0 if self._loop is None else len(events_in_flight(self._loop))

    async def recount(self) -> None:
        """Count in turns with the rest of the loop.

        With thousands of connections that takes some tenths of a second, so nobody waits for it:
        until its end the last count holds.
        """
        if len(self._websockets) <= MANY:
            await self._count(asyncio.all_tasks(self._loop), 0)
        elif self._counting is None:
            self._counting = asyncio.ensure_future(self._count_many())

    async def _count_many(self) -> None:
        try:
            # In a thread, because to list thirty thousand tasks takes 20 ms.
            tasks = await asyncio.to_thread(asyncio.all_tasks, asyncio.get_running_loop())
            await self._count(tasks, PAUSE)
        except RuntimeError:
            # No thread can start any more, or tasks come and go all the time: the old count holds.
            pass
        finally:
            self._counting = None

    async def _count(self, tasks: Iterable[asyncio.Task[Any]], pause: float) -> None:
        codes, count = set(_codes_of_handle_event()), 0
        for number, task in enumerate(tasks):
            if number % TASKS_A_TURN == 0:
                await asyncio.sleep(pause)
            count += _event_of(task, codes) is not None
        self._counted = count, time.monotonic()

    def describe_pending(self) -> str:
        """Describe the work in flight; see ``lifespan.Work``."""
        events = len(events_in_flight(asyncio.get_running_loop()))
        texts = (self._requests.describe_pending(), f"{events} event(s)" if events else "")
        return " and ".join(filter(None, texts))

    def count(self) -> int | None:
        """Count the work in flight; None where many tasks would make that hold up the loop."""
        loop = asyncio.get_running_loop()
        if len(asyncio.all_tasks(loop)) > MOST_TASKS:
            return None
        return len({*self._requests, *(each.task for each in events_in_flight(loop))})

    async def drain(self, timeout: float) -> None:
        """Wait for requests and events, ``timeout`` seconds at most; see ``lifespan.Work``.

        An event that begins meanwhile prolongs the wait if its adapter has polled it, because the
        next poll acknowledges it. Events that come over WebSockets do not prolong the wait.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        self._origins = origins = _Origins(loop)
        with origins:
            await self._requests.drain(timeout)
            quiet_since = loop.time()
            while (now := loop.time()) < deadline:
                for _ in range(FIRST_TURNS):
                    await asyncio.sleep(0)
                waited_for = {each.task for each in events_in_flight(loop) if origins.awaits(each)}
                pause = min(max(LOOK_PAUSE, (loop.time() - now) / LOOKS_SHARE), deadline - now)
                if waited_for:
                    # Not until the tasks have ended: one may go on after its event.
                    await asyncio.wait(waited_for, timeout=pause)
                    quiet_since = loop.time()
                elif now - quiet_since > QUIET_SECONDS:
                    return
                else:
                    await asyncio.sleep(pause)

    async def cancel(self, grace: float) -> bool:
        """Cut off requests and events, and all tasks of these; see ``lifespan.Work``."""
        events = events_in_flight(asyncio.get_running_loop())
        self._log_events(events)
        tasks = _with_children({each.task for each in events}) - set(self._websockets)
        waited_in_vain = any(map(self._is_awaited, events))
        began = asyncio.get_running_loop().time()
        for task in tasks:
            task.cancel()
        waited_in_vain |= await self._requests.cancel(grace)
        if tasks:
            spent = asyncio.get_running_loop().time() - began
            await asyncio.wait(tasks, timeout=max(grace - spent, LEAST_GRACE))
        return waited_in_vain

    def log_cut_off(self) -> None:
        """Log the work that is about to be cut off, unless it was logged; see ``lifespan.Work``."""
        # An interrupt has stopped the loop, which is still the current one.
        self._log_events(events_in_flight(asyncio.get_event_loop()))
        self._requests.log_cut_off()

    def end_stop(self) -> None:
        """Be ready for another start; see ``lifespan.Work``."""
        self._origins = self._loop = None
        if self._counting is not None:
            self._counting.cancel()
        self._requests.end_stop()

    def _log_events(self, events: list[Event]) -> None:
        counts = Counter(
            (*(_owner(each) or ("", "")), self._is_awaited(each))
            for each in events
            if each.task not in self._cut_off
        )
        self.cut_off += sum(counts.values())
        self._cut_off.update(each.task for each in events)
        for (adapter, bot, is_awaited), count in sorted(counts.items()):
            why = "had not ended" if is_awaited else "came after the stop began"
            level = "ERROR" if is_awaited else "WARNING"
            name = bot_name(bot or "unknown", adapter or "an unknown adapter")
            text = "Cut off {} event(s) of {} that {}"
            logger.log(level, text, count, name, why, **about(adapter, bot))

    def _is_awaited(self, event: Event) -> bool:
        return self._origins is None or self._origins.awaits(event)


class _Origins:
    """Tells events that the stop waits for from those that do not prolong it.

    The latter begin while this context is entered, in a task that reads a WebSocket or in one of
    its descendants. Only a task factory sees which task makes which.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._late: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._makers: WeakKeyDictionary[asyncio.Task[Any], asyncio.Task[Any]]
        self._makers = WeakKeyDictionary()
        # The dictionary holds the objects, so that no other object gets the id of one of them.
        self._first = {id(each.handling): each.handling for each in events_in_flight(loop)}
        self._former: Any = None

    def __enter__(self) -> _Origins:
        self._former = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make_task)
        receive_observers.append(self._note_reader)
        return self

    def __exit__(self, *_: object) -> None:
        receive_observers.remove(self._note_reader)
        # A plugin may have replaced it meanwhile.
        if self._loop.get_task_factory() == self._make_task:
            self._loop.set_task_factory(self._former)

    def awaits(self, event: Event) -> bool:
        """Tell whether the stop waits for an event."""
        is_late = event.task in self._late or event.task in self._readers
        return not is_late or id(event.handling) in self._first

    def _note_reader(self) -> None:
        """Note the task that has just received a message, or that waits for the current one."""
        reader = asyncio.current_task(self._loop)
        if reader is not None:
            self._readers.add(reader)
            # Before Python 3.12 asyncio.wait_for() makes a task of its coroutine.
            if (maker := self._makers.get(reader)) is not None:
                self._readers.add(maker)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        maker: Any = asyncio.current_task(loop)
        if self._former is None:
            task = asyncio.Task(coroutine, loop=loop, **options)
        else:
            task = self._former(loop, coroutine, **options)
        if maker is not None:
            self._makers[task] = maker
            if maker in self._readers or maker in self._late:
                self._late.add(task)
        return task


def events_in_flight(loop: asyncio.AbstractEventLoop) -> list[Event]:
    """List the events that are being handled, except in the current task.

    Of several nested ones in a task it lists the outermost.
    """
    codes = set(_codes_of_handle_event())
    events = []
    for task in asyncio.all_tasks(loop) - {asyncio.current_task(loop)}:
        event = _event_of(task, codes)
        if event is not None:
            events.append(event)
    return events


def _event_of(task: asyncio.Task[Any], codes: set[CodeType]) -> Event | None:
    """Find the event that a task handles; written out, because each connection has three tasks."""
    each: Any = task.get_coro()
    while each is not None:
        if type(each) is CoroutineType:
            if each.cr_code in codes:
                return Event(task, each)
            each = each.cr_await
        else:
            # A generator-based coroutine or an async generator; anything else is the last one.
            each = getattr(each, "gi_yieldfrom", None) or getattr(each, "ag_await", None)
    return None


def _codes_of_handle_event() -> Iterator[CodeType]:
    """Yield the code of each bot class's ``handle_event``, and of NoneBot's own function."""
    # Not imported at the top, because that takes 15 ms of every start.
    from nonebot.message import handle_event

    functions: list[Any] = [handle_event]
    classes: list[type] = [Bot]
    while classes:
        each = classes.pop()
        classes += each.__subclasses__()
        functions.append(vars(each).get("handle_event"))
    for function in functions:
        code = getattr(inspect.unwrap(function), "__code__", None) if function else None
        if code is not None:
            yield code


def _owner(event: Event) -> tuple[str, str] | None:
    """Return the adapter's name and the bot's id: the first argument of a handler is the bot."""
    code, frame = event.handling.cr_code, event.handling.cr_frame
    bot = frame.f_locals.get(code.co_varnames[0]) if frame and code.co_varnames else None
    if not isinstance(bot, Bot):
        return None
    return bot.adapter.get_name(), bot.self_id


def _with_children(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Add the tasks of the tasks' own groups, which NoneBot shields from cancellation."""
    children: dict[int | None, list[int]] = {}
    for info in anyio.get_running_tasks():
        children.setdefault(info.parent_id, []).append(info.id)
    found: set[int] = set()
    pending = [id(task) for task in tasks]
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending += children.get(each, ())
    return {task for task in asyncio.all_tasks() if id(task) in found}
