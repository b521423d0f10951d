"""A lifespan of fakes that write down what is asked of them, and in which order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from nonebot_aiohttp.life.deadline import Deadline
from nonebot_aiohttp.life.lifespan import Lifespan
from nonebot_aiohttp.life.tasks import TaskSet

Part = Callable[[], Coroutine[Any, Any, object]]


class Parts:
    """A lifespan whose parts write down in `order` what is asked of them.

    `during` holds what a part does besides, by its text in `order`.
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
        self.lifespan = Lifespan(
            session=_Session(self),
            loops=_Loops(self),
            sockets=_Sockets(self),
            work=self.handlers,
            hooks=self.hooks,
            drain_timeout=drain_timeout,
            close_timeout=close_timeout,
            clock=clock,
        )
        self.lifespan.on_startup(lambda: self.happen("startup"))
        self.lifespan.on_shutdown(lambda: self.happen("shutdown"))

    async def happen(self, what: str) -> None:
        """Write down that something is asked, and do what a test wants then."""
        self.order.append(what)
        if what in self.during:
            await self.during[what]()

    async def handle(self, name: str, until: asyncio.Event) -> None:
        """Be a handler; its end is written down."""
        try:
            await until.wait()
        except asyncio.CancelledError:
            self.order.append(f"{name} cut off")
            raise
        self.order.append(f"{name} ended")


class _Session:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def open(self) -> None:
        await self.parts.happen("session open")

    async def close(self) -> None:
        await self.parts.happen("session close")


class _Loops:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def start(self) -> None:
        assert self.parts.lifespan.running
        self.parts.order.append("loops start")

    async def stop_intake(self) -> None:
        await self.parts.happen("loops stop intake")

    async def stop(self, deadline: Deadline) -> None:
        await self.parts.happen("loops stop")


class _Sockets:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        await self.parts.happen(f"sockets close {code} {reason}")
