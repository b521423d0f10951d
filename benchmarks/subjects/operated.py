"""A bot that operators look at; it tells for how long its event loop is held up at a time."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..control import Control
from .support import start_as_adapters_do

TOKEN = "benchmark-token"
TICK = 0.001
"""Seconds between two looks at the clock, which take their turn of the event loop."""

ON = {"aiohttp_ops_token": TOKEN}


class Holds:
    """Finds the longest time for which the event loop has not had a turn for anything else.

    It is processor time of the loop's thread, so that neighbours on the machine do not count.
    Collections of Python's garbage collector count apart: each new object may be the one too many,
    and a full collection looks at all objects of the process.
    """

    def __init__(self) -> None:
        self._longest = self._longest_collection = self._collecting = self._began = 0.0

    def take(self) -> tuple[float, float]:
        """Return the longest time, and that of a collection, in seconds since the last call."""
        longest = self._longest, self._longest_collection
        self._longest = self._longest_collection = 0.0
        return longest

    async def watch(self) -> None:
        """Look for ever."""
        gc.callbacks.append(self._note_collection)
        before = time.thread_time()
        while True:
            await asyncio.sleep(TICK)
            now = time.thread_time()
            self._longest = max(self._longest, now - before - self._collecting)
            before, self._collecting = now, 0.0

    def _note_collection(self, phase: str, _: object) -> None:
        if phase == "start":
            self._began = time.thread_time()
            return
        took = time.thread_time() - self._began
        self._collecting += took
        self._longest_collection = max(self._longest_collection, took)


holds = Holds()


def standalone(port: str, operators: str) -> None:
    """Serve by this package's own driver."""
    from .standalone import make_driver

    driver = make_driver(port, **ON, aiohttp_ops_port=operators)

    @driver.on_startup
    async def _watch() -> None:
        start_as_adapters_do(holds.watch())

    driver.run()


def nonebot2(port: str, operators: str) -> None:
    """Serve by the driver of NoneBot2, with an adapter whose bots connect by WebSockets."""
    import nonebot
    from nonebot.adapters import Bot

    from .nonebot2 import BenchAdapter, begin, make_driver, read_messages

    class BenchBot(Bot):
        async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    class ConnectingAdapter(BenchAdapter):
        async def _handle_websocket(self, websocket: Any) -> None:
            await websocket.accept()
            bot = BenchBot(self, websocket.request.headers["x-self-id"])
            self.bot_connect(bot)
            try:
                await read_messages(websocket)
            finally:
                self.bot_disconnect(bot)

    settings: dict[str, Any] = {**ON, "aiohttp_ops_port": operators, "log_level": "WARNING"}
    driver = make_driver("nonebot_aiohttp.nonebot2", port, **settings)
    driver.register_adapter(ConnectingAdapter)
    begin(driver, holds.watch)
    nonebot.run()


def answer(control: Control) -> None:
    """Tell the longest hold whenever the runner asks."""
    for _question in sys.stdin:
        control.say(hold=holds.take())


ROLES: dict[str, Callable[..., None]] = {"standalone": standalone, "nonebot2": nonebot2}

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    threading.Thread(target=answer, args=(Control(),), daemon=True).start()
    ROLES[role](*arguments)
