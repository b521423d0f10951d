"""The events that NoneBot handles, found where they run: adapters start them in tasks of their own.

They guard the promise that an acknowledged event is handled. An event begins in its adapter's
``Bot.handle_event``, which may call an API to look a reply up, long before it begins in
``nonebot.message.handle_event``; and it ends with the matchers, which NoneBot shields from
cancellation. Nothing is counted while the bot runs: the tasks are looked at when it stops.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import anyio
from nonebot.adapters import Bot

from ..life.deadline import LEAST_GRACE
from ..life.tasks import TaskSet
from ..log import logger
from .websocket import reading_watched

QUIET_SECONDS = 0.2
"""Seconds without an event after which all have ended: an adapter may take them from a queue."""

FIRST_TURNS = 3
"""Turns of the event loop in which a task that was just made comes as far as to its event."""

LOOK_PAUSE = 0.02
"""Seconds between looks at least."""

LOOKS_SHARE = 0.1
"""Share of the time that looks may take, where tasks are many."""


class Event(NamedTuple):
    """An event that is being handled.

    Attributes:
        task: The task that it is handled in, which may go on with others.
        handling: The coroutine of the ``handle_event`` that has it.
    """

    task: asyncio.Task[Any]
    handling: Any


class EventWork:
    """The work of this face: requests, and the events that adapters have made of what has come."""

    def __init__(self, requests: TaskSet, sockets: TaskSet) -> None:
        """Take what else is in work.

        Args:
            requests: The tasks of HTTP handle functions, which may start events.
            sockets: The tasks of WebSocket handle functions. An adapter may handle its events
                within one; it is not cancelled with them, but ended by its closed socket.
        """
        self._requests = requests
        self._sockets = sockets
        # The tasks of events that are logged as cut off.
        self._cut_off: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._origins: _Origins | None = None

    def in_work(self) -> str:
        """Say what is in work; see ``lifespan.Work``."""
        events = len(events_in_flight(asyncio.get_running_loop()))
        texts = (self._requests.in_work(), f"{events} event(s)" if events else "")
        return " and ".join(filter(None, texts))

    async def drain(self, timeout: float) -> None:
        """Wait for requests and events; see ``lifespan.Work``.

        Events that begin meanwhile prolong the wait if an adapter has polled them, as its next poll
        acknowledges them. Those that come over WebSockets prolong nothing.

        Args:
            timeout: Seconds to wait at most.
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
                    # Not until all have ended: the task of an event may go on.
                    await asyncio.wait(waited_for, timeout=pause)
                    quiet_since = loop.time()
                elif now - quiet_since > QUIET_SECONDS:
                    return
                else:
                    await asyncio.sleep(pause)

    async def cancel(self, grace: float) -> bool:
        """Cut off requests and events with all of their tasks; see ``lifespan.Work``."""
        events = events_in_flight(asyncio.get_running_loop())
        self._log_events(events)
        tasks = _with_children({each.task for each in events}) - set(self._sockets)
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
        """Log what is about to be cut off, unless that was logged; see ``lifespan.Work``."""
        # The loop has been left by an interrupt; it is still the current one.
        self._log_events(events_in_flight(asyncio.get_event_loop()))
        self._requests.log_cut_off()

    def end_stop(self) -> None:
        """Begin anew; see ``lifespan.Work``."""
        self._origins = None
        self._requests.end_stop()

    def _log_events(self, events: list[Event]) -> None:
        counts = Counter(
            (*_owner(each), self._is_awaited(each))
            for each in events
            if each.task not in self._cut_off
        )
        self._cut_off.update(each.task for each in events)
        for (adapter, bot, is_awaited), count in sorted(counts.items()):
            why = "had not ended" if is_awaited else "came after the stop began"
            level = "ERROR" if is_awaited else "WARNING"
            text = "Cut off {} event(s) of {}, bot {}, that {}"
            logger.log(level, text, count, adapter, bot, why)

    def _is_awaited(self, event: Event) -> bool:
        return self._origins is None or self._origins.awaits(event)


class _Origins:
    """Tells events that are waited for from those that prolong nothing.

    These are begun, while it is entered, by a task that reads a WebSocket, or by one that was made
    so. Only who makes a task knows that, hence the task factory.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._late: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._makers: WeakKeyDictionary[asyncio.Task[Any], asyncio.Task[Any]]
        self._makers = WeakKeyDictionary()
        # Kept as objects, so that no identity is given to another one.
        self._first = {id(each.handling): each.handling for each in events_in_flight(loop)}
        self._former: Any = None

    def __enter__(self) -> _Origins:
        self._former = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make_task)
        reading_watched.append(self._note_reader)
        return self

    def __exit__(self, *_: object) -> None:
        reading_watched.remove(self._note_reader)
        # Somebody may have put another one in its place meanwhile.
        if self._loop.get_task_factory() == self._make_task:
            self._loop.set_task_factory(self._former)

    def awaits(self, event: Event) -> bool:
        """Tell whether the stop waits for an event."""
        is_late = event.task in self._late or event.task in self._readers
        return not is_late or id(event.handling) in self._first

    def _note_reader(self) -> None:
        """Note who has just received a message: the current task, or the one that waits for it."""
        reader = asyncio.current_task(self._loop)
        if reader is not None:
            self._readers.add(reader)
            # Before Python 3.12 asyncio.wait_for() makes a task of what it waits for.
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
    """List the events that are being handled, but for one that asks.

    Args:
        loop: The event loop.

    Returns:
        The events; of several in one task the outermost.
    """
    codes = set(_codes_of_handle_event())
    events = []
    for task in asyncio.all_tasks(loop) - {asyncio.current_task(loop)}:
        handling = next((each for each in _awaited(task) if each.cr_code in codes), None)
        if handling is not None:
            events.append(Event(task, handling))
    return events


def _codes_of_handle_event() -> Iterator[CodeType]:
    """List the code of ``handle_event`` of each bot class, and of NoneBot's own."""
    # Not at the top: its import takes 15 ms, which every start of the package would pay.
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


def _awaited(task: asyncio.Task[Any]) -> Iterator[Any]:
    """List the coroutines of a task, each of which waits for the next one."""
    each: Any = task.get_coro()
    while each is not None:
        if inspect.iscoroutine(each):
            yield each
            each = each.cr_await
        else:
            # A generator that is a coroutine, or an async generator; anything else ends the list.
            each = getattr(each, "gi_yieldfrom", None) or getattr(each, "ag_await", None)


def _owner(event: Event) -> tuple[str, str]:
    """Read the names of adapter and bot off a ``handle_event``, whose first argument is the bot."""
    code, frame = event.handling.cr_code, event.handling.cr_frame
    bot = frame.f_locals.get(code.co_varnames[0]) if frame and code.co_varnames else None
    if not isinstance(bot, Bot):
        return "an unknown adapter", "unknown"
    return bot.adapter.get_name(), bot.self_id


def _with_children(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Add the tasks of the task groups within, which NoneBot shields from the cancellation."""
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
