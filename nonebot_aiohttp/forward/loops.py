"""``ForwardLoops``: all loops of a driver, started after the startup and stopped in two steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..life.deadline import Deadline
from ..life.tasks import start_task
from ..life.waiting import settle
from ..log import log_exception
from .base import ForwardLoop, Supplies
from .polling import PollingLoop
from .reconnect import ReconnectLoop


class ForwardLoops:
    """Keeps the setups, and runs one loop for each while the driver runs."""

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies
        self._makers: list[Callable[[], ForwardLoop]] = []
        self._tasks: dict[asyncio.Task[None], ForwardLoop] = {}
        self._stopping: asyncio.Event | None = None
        self._closing: asyncio.Event | None = None

    def add_polling(self, setup: Any) -> None:
        """Add a polling setup, or the function that makes it; a running driver starts its loop."""
        self._add(lambda: PollingLoop(setup, self._supplies, *self._events()))

    def add_websocket(self, setup: Any) -> None:
        """Add a WebSocket setup, or the function that makes it; see ``add_polling``."""
        self._add(lambda: ReconnectLoop(setup, self._supplies, self._events()[0]))

    def start(self) -> None:
        """Start a loop for each setup, unless ``aiohttp_forward`` is off."""
        self._stopping, self._closing = asyncio.Event(), asyncio.Event()
        for make in self._makers:
            self._start(make)

    async def stop_intake(self) -> None:
        """Stop polling and connecting; connections that stand stay."""
        self._events()[0].set()
        for loop in tuple(self._tasks.values()):
            if isinstance(loop, PollingLoop):
                await loop.quiet.wait()

    async def stop(self, deadline: Deadline) -> None:
        """Wait until all loops have ended; their sockets are closed by then.

        A loop that is late is cancelled, and left alone if that does not help.
        """
        self._events()[1].set()
        if self._tasks:
            with deadline.peers() as seconds:
                seconds = max(seconds, deadline.for_grace)
                _, late = await asyncio.wait(tuple(self._tasks), timeout=seconds)
            with deadline.grace() as grace:
                labels = {task: self._tasks[task].label for task in late}
                await asyncio.gather(*(settle(task, labels[task], grace) for task in late))
        self._stopping = self._closing = None

    def _add(self, make: Callable[[], ForwardLoop]) -> None:
        self._makers.append(make)
        if self._stopping is not None and not self._stopping.is_set():
            self._start(make)

    def _start(self, make: Callable[[], ForwardLoop]) -> None:
        if self._supplies.options.forward:
            loop = make()
            task = start_task(loop.run())
            self._tasks[task] = loop
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log_exception("CRITICAL", "A forward loop broke, which is a bug", error)

    def _events(self) -> tuple[asyncio.Event, asyncio.Event]:
        assert self._stopping is not None
        assert self._closing is not None
        return self._stopping, self._closing
