"""``ForwardLoops``: all loops of a driver, started after the startup and stopped in two steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from ..exceptions import SetupError
from ..life.deadline import Deadline
from ..life.hooks import hook_name
from ..life.tasks import start_task
from ..life.waiting import settle
from ..log import log_exception
from .base import ForwardLoop, Supplies
from .polling import PollingLoop
from .reconnect import ReconnectLoop
from .setups import check_given


class ForwardLoops:
    """Keeps the setups, and runs one loop for each while the driver runs."""

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies
        self._given: list[tuple[type[ForwardLoop], Any]] = []
        self._tasks: dict[asyncio.Task[None], ForwardLoop] = {}
        # Those whose setups can never work.
        self._given_up: list[ForwardLoop] = []
        self._stopping: asyncio.Event | None = None
        self._closing: asyncio.Event | None = None

    def __iter__(self) -> Iterator[ForwardLoop]:
        return iter((*self._given_up, *self._tasks.values()))

    def add_polling(self, setup: Any) -> None:
        """Add a polling setup, or the function that makes it; a running driver starts its loop.

        Raises:
            SetupError: It is neither; or the driver runs, and the setup can never work.
        """
        self._add(PollingLoop, setup)

    def add_websocket(self, setup: Any) -> None:
        """Add a WebSocket setup, or the function that makes it; see ``add_polling``."""
        self._add(ReconnectLoop, setup)

    def examine(self) -> None:
        """Check all setups that no function makes, unless ``aiohttp_forward`` is off.

        Raises:
            SetupError: Some can never work; it names all of them.
        """
        self._examine(self._given)

    def start(self) -> None:
        """Start a loop for each setup, unless ``aiohttp_forward`` is off."""
        self._stopping, self._closing = asyncio.Event(), asyncio.Event()
        self._given_up.clear()
        for loop, setup in self._given:
            self._start(loop, setup)

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
                loops = [(task, self._tasks[task]) for task in late]
                await asyncio.gather(
                    *(settle(task, loop.label, grace, loop.about) for task, loop in loops)
                )
        self._stopping = self._closing = None

    def _add(self, loop: type[ForwardLoop], setup: Any) -> None:
        check_given(setup, loop.takes)
        runs = self._stopping is not None and not self._stopping.is_set()
        if runs:
            self._examine([(loop, setup)])
        self._given.append((loop, setup))
        if runs:
            self._start(loop, setup)

    def _examine(self, given: list[tuple[type[ForwardLoop], Any]]) -> None:
        problems = []
        for loop, setup in given if self._supplies.options.forward else ():
            try:
                if not callable(setup):
                    loop.examine(setup, self._supplies.driver)
            except SetupError as error:
                problems.append(f"{loop.label_of(setup)} can never work: {error}")
        if problems:
            first, *others = problems
            others = [f"{each[:1].lower()}{each[1:]}" for each in others]
            raise SetupError("; ".join([first, *others]))

    def _start(self, loop: type[ForwardLoop], setup: Any) -> None:
        if self._supplies.options.forward:
            started = loop(setup, self._supplies, *self._events())
            started.label += self._which(loop, setup)
            task = start_task(started.run())
            self._tasks[task] = started
            task.add_done_callback(self._ended)

    def _which(self, loop: type[ForwardLoop], setup: Any) -> str:
        """Say which of several setups that functions of one name make; only they know the bot."""
        if not callable(setup):
            return ""
        name = hook_name(setup)
        alike = [
            each
            for kind, each in self._given
            if kind is loop and callable(each) and hook_name(each) == name
        ]
        number = next(n for n, each in enumerate(alike, 1) if each is setup)
        return f" ({number} of {len(alike)})" if len(alike) > 1 else ""

    def _ended(self, task: asyncio.Task[None]) -> None:
        loop = self._tasks.pop(task)
        if loop.state == "ended":
            self._given_up.append(loop)
        if not task.cancelled() and (error := task.exception()) is not None:
            text = "A forward loop broke, which is a bug"
            log_exception("CRITICAL", text, error, **loop.about)

    def _events(self) -> tuple[asyncio.Event, asyncio.Event]:
        assert self._stopping is not None
        assert self._closing is not None
        return self._stopping, self._closing
