"""A bot that operators may look at; it may tell for how long its event loop is held up at a time.

With ``BENCH_TREE`` the package is that of another directory: the one before a change.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..control import Control
from ..event import EVENT
from .support import measure_calls, start_as_adapters_do, tally

TOKEN = "benchmark-token"
TICK = 0.001
"""Seconds between two looks at the clock, which take their turn of the event loop."""

JSON = b'{"ok": true}'
JSON_HEADERS = {"Content-Type": "application/json"}
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


def own_driver(port: str, operators: str) -> None:
    """Serve by this package's own driver."""
    from . import standalone

    tell_holds()
    driver = standalone.make_driver(port, **ON, aiohttp_ops_port=operators)

    @driver.on_startup
    async def _watch() -> None:
        start_as_adapters_do(holds.watch())

    driver.run()


def nonebot2(port: str, operators: str) -> None:
    """Serve by the driver of NoneBot2, with an adapter whose bots connect by WebSockets."""
    import nonebot
    from nonebot.adapters import Bot

    from .nonebot2 import BenchAdapter, begin, read_messages
    from .nonebot2 import make_driver as make_nonebot2

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

    tell_holds()
    settings: dict[str, Any] = {**ON, "aiohttp_ops_port": operators, "log_level": "WARNING"}
    driver = make_nonebot2("nonebot_aiohttp.nonebot2", port, **settings)
    driver.register_adapter(ConnectingAdapter)
    begin(driver, holds.watch)
    nonebot.run()


def tell_holds() -> None:
    """Tell the longest holds whenever the runner asks."""
    control = Control()

    def answer() -> None:
        for _question in sys.stdin:
            control.say(hold=holds.take())

    threading.Thread(target=answer, daemon=True).start()


def make_driver(kind: str, port: str, operators: str) -> Any:
    """Make a driver for which everything of operations is on, or off if no port is given."""
    from nonebot_aiohttp.drivers import HTTPResponse

    from . import standalone

    class AnsweringBot(standalone.BenchBot):
        @classmethod
        async def check_permission(cls, driver: Any, request: Any) -> tuple[Any, Any]:
            return request.headers.get("x-self-id"), HTTPResponse(200, JSON, JSON_HEADERS)

    on: dict[str, Any] = {**ON, "aiohttp_ops_port": operators} if operators else {}
    driver = standalone.make_driver(port, **on)
    if kind == "response":
        driver._adapters["bench"] = AnsweringBot
    return driver


def serve(kind: str, port: str, operators: str) -> None:
    """Serve webhooks, which get a JSON body for ``"response"``, and reverse WebSockets."""
    Control(tally)
    make_driver(kind, port, operators).run()


def call(port: str, operators: str, url: str, warmup: str, seconds: str) -> None:
    """Call an API on the driver's session."""
    control = Control()
    driver = make_driver("call", port, operators)

    async def once() -> bytes:
        async with driver.session.post(url, data=EVENT, headers=JSON_HEADERS) as response:
            body: bytes = await response.read()
            return body

    async def begin() -> None:
        times = float(warmup), float(seconds)
        start_as_adapters_do(measure_calls(control, once, 1, *times, clock=time.process_time))

    driver.on_startup(begin)
    driver.run()


ROLES: dict[str, Callable[..., None]] = {
    "standalone": own_driver,
    "nonebot2": nonebot2,
    "serve": serve,
    "call": call,
}

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    sys.path.insert(0, os.environ.get("BENCH_TREE", ""))
    ROLES[role](*arguments)
