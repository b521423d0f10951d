"""A lifespan of fakes that record their calls in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from nonebot_aiohttp.life.lifespan import Lifespan
from nonebot_aiohttp.life.tasks import TaskSet

Part = Callable[[], Coroutine[Any, Any, object]]


class Parts:
    """A lifespan whose parts record their calls in `order`.

    `during` has additional actions, by the text of the call in `order`.
    """

    def __init__(
        self,
        drain_timeout: float = 60,
        clock: Callable[[], float] = time.monotonic,
        close_timeout: float = 30,
    ) -> None:
        self.order: list[str] = []
        self.during: dict[str, Part] = {}
        self.handlers, self.hooks = TaskSet("handler"), TaskSet("hook")
        session: Any = SimpleNamespace(
            open=lambda: self.happen("session open"), close=lambda: self.happen("session close")
        )
        loops: Any = SimpleNamespace(
            start=self._start_loops,
            stop_intake=lambda: self.happen("loops stop intake"),
            stop=lambda deadline: self.happen("loops stop"),
        )
        sockets: Any = SimpleNamespace(
            close_all=lambda code, reason, _: self.happen(f"sockets close {code} {reason}")
        )
        self.lifespan = Lifespan(
            pool=session,
            loops=loops,
            connections=sockets,
            work=self.handlers,
            hooks=self.hooks,
            drain_timeout=drain_timeout,
            close_timeout=close_timeout,
            clock=clock,
        )
        self.lifespan.on_startup(lambda: self.happen("startup"))
        self.lifespan.on_shutdown(lambda: self.happen("shutdown"))

    def _start_loops(self) -> None:
        assert self.lifespan.takes_events
        self.order.append("loops start")

    async def happen(self, what: str) -> None:
        """Record a call, and run the action that a test has set for it."""
        self.order.append(what)
        if what in self.during:
            await self.during[what]()

    async def handle(self, name: str, until: asyncio.Event) -> None:
        """Run as a handler; record its end."""
        try:
            await until.wait()
        except asyncio.CancelledError:
            self.order.append(f"{name} cut off")
            raise
        self.order.append(f"{name} ended")
