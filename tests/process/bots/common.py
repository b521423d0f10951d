"""The bot of all programs: it does what each event says, and notes what happens."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nonebot_aiohttp import Bot, Driver, HTTPPollingSetup, HTTPResponse, WebSocketSetup
from nonebot_aiohttp.drivers import Driver as BaseDriver
from nonebot_aiohttp.drivers import HTTPConnection

WORK_SECONDS = 2.0
"""Seconds of work for each event."""

STALL_SECONDS = 0.05
"""Seconds for which a handler blocks the event loop, again and again."""

ANSWERS: dict[str, HTTPResponse] = {
    "long": HTTPResponse(403, b"x" * 65_536),
    "unsendable": HTTPResponse(403, b"", {"x-number": 5}),  # type: ignore[dict-item]
}
"""Refusals for which a request may ask."""

Note = Callable[[str], object]

_keys = itertools.count()


class PlatformBot(Bot):
    """Does what an event says under ``do``; a message with ``echo`` answers an API call."""

    answers: dict[str, asyncio.Future[Any]] = {}
    config: Any

    @property
    def type(self) -> str:
        return "platform"

    @classmethod
    async def check_permission(
        cls, driver: BaseDriver, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Let in a platform that names its bot."""
        self_id = request.headers.get("x-self-id")
        if "x-answer" in request.headers:
            return None, ANSWERS[request.headers["x-answer"]]
        return self_id, None if self_id else HTTPResponse(418, b"who are you?")

    async def handle_message(self, message: bytes) -> None:
        """Pass on an answer, or do what an event says."""
        data = json.loads(message)
        if "echo" in data:
            if (waiter := self.answers.get(data["echo"])) and not waiter.done():
                waiter.set_result(data)
        else:
            await getattr(self, "do_" + data["do"])(data)

    async def do_note(self, event: dict[str, Any]) -> None:
        await asyncio.sleep(event.get("after", 0))
        self.note(f"handled {event['id']}")

    async def do_work(self, event: dict[str, Any]) -> None:
        """Note the begin, wait for ``go``, work for some seconds, call an API, note the end."""
        self.note(f"begun {event['id']}")
        await self.config.gate.wait()
        await asyncio.sleep(getattr(self.config, "work_seconds", WORK_SECONDS))
        await self.call_api("finish", id=event["id"])
        self.note(f"handled {event['id']}")

    async def do_go(self, event: dict[str, Any]) -> None:
        """Let the events that have begun go on."""
        self.config.gate.set()

    async def do_exit(self, event: dict[str, Any]) -> None:
        """Stop the driver from its own event loop."""
        self.driver.exit()

    async def do_exit_from_thread(self, event: dict[str, Any]) -> None:
        """Stop the driver from another thread."""
        threading.Thread(target=self.driver.exit).start()

    async def do_hang(self, event: dict[str, Any]) -> None:
        self.note("begun")
        await asyncio.get_running_loop().create_future()

    async def do_hang_on(self, event: dict[str, Any]) -> None:
        """Never end, not even when cancelled."""
        self.note("begun")
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                continue

    async def do_send(self, event: dict[str, Any]) -> None:
        """Send a message of some size, which waits until the peer has read most of it."""
        self.note("begun")
        socket: Any = self.request
        await socket.send("x" * event["size"])

    async def do_block(self, event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        await self.do_block_at_once(event)

    async def do_block_at_once(self, event: dict[str, Any]) -> None:
        """Block the event loop before the first wait."""
        self.note("begun")
        while True:
            # Not in one piece: a signal that another thread takes does not interrupt a sleep.
            time.sleep(STALL_SECONDS)  # noqa: ASYNC251 - what a bot should not do

    async def do_block_thread(self, event: dict[str, Any]) -> None:
        """Wait for a thread that never ends."""
        self.note("begun")
        await asyncio.to_thread(time.sleep, 600)

    async def do_use_pool(self, event: dict[str, Any]) -> None:
        """Use a pool of threads, whose worker is idle afterwards."""
        self.pool = ThreadPoolExecutor(1)
        await asyncio.get_running_loop().run_in_executor(self.pool, time.sleep, 0)
        self.config.pools.append(self.pool)
        self.note("begun")

    async def do_leave_thread(self, event: dict[str, Any]) -> None:
        """Start a thread that never ends, and do not wait for it."""
        threading.Thread(target=time.sleep, args=(600,), name="the endless one").start()
        self.note("begun")

    async def do_pool(self, event: dict[str, Any]) -> None:
        """Work in another process, as heavy handlers do."""
        loop, fork = asyncio.get_running_loop(), multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, mp_context=fork) as pool:
            working = loop.run_in_executor(pool, time.sleep, 1)
            self.note("begun")
            await working
        self.note(f"handled {event['id']}")

    async def do_fork(self, event: dict[str, Any]) -> None:
        """Fork children that sleep, terminate them, and note their exit codes."""
        codes = set()
        for _ in range(20):
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
            child.start()
            # At once, because the signal may come before the child is ready for it.
            child.terminate()
            child.join(5)
            codes.add(child.exitcode)
            child.kill()
        self.note(f"children ended with {codes}")

    async def _call_api(self, api: str, **data: Any) -> Any:
        root = getattr(self.config, "api_root", None)
        if root is None:
            return await self._call_by_socket(api, data)
        async with self.driver.session.post(root, json={"api": api, **data}) as response:
            response.raise_for_status()
            return await response.json()

    async def _call_by_socket(self, api: str, data: dict[str, Any]) -> Any:
        socket: Any = self.driver.bots[self.self_id].request
        key = f"{os.getpid()}-{next(_keys)}"
        self.answers[key] = asyncio.get_running_loop().create_future()
        try:
            await socket.send(json.dumps({"api": api, "echo": key, **data}))
            return await self.answers[key]
        finally:
            del self.answers[key]

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        return await self.call_api("send", message=message)

    def note(self, text: str) -> None:
        self.config.note(text)


def make_driver(settings: Mapping[str, Any], note: Note) -> Driver:
    """Make a driver with the bot, and with hooks that note when they run.

    Besides the driver's settings there are settings for the tests. ``fail_startup`` makes a startup
    hook raise, ``start_when`` names a file for which a startup hook waits, and ``forward_url`` and
    ``polling_url`` set up connections to platforms.
    """
    base = {"host": "127.0.0.1", "port": 0, "log_level": "DEBUG"}
    config: Any = SimpleNamespace(**{**base, **settings}, note=note, gate=asyncio.Event(), pools=[])
    driver = Driver(SimpleNamespace(environment="test"), config)
    driver.register_adapter("platform", PlatformBot)
    _note_hooks(driver, settings, note)
    _set_up_forward(driver, settings)
    return driver


def _note_hooks(driver: Driver, settings: Mapping[str, Any], note: Note) -> None:
    @driver.on_startup
    async def start() -> None:
        assert not driver.session.closed
        note("startup")
        # The test that creates the file is another process.
        while not _may_start(settings):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if settings.get("fail_startup"):
            raise OSError("the database is away")
        note("started")

    @driver.on_shutdown
    async def stop_slowly() -> None:
        if seconds := settings.get("shutdown_seconds"):
            await asyncio.sleep(seconds)
            note("shutdown has taken its time")

    @driver.on_shutdown
    async def stop_last() -> None:
        note(f"shutdown of the first, session closed: {driver.session.closed}")

    @driver.on_shutdown
    def stop_first() -> None:
        note("shutdown of the second")

    @driver.on_bot_connect
    async def connect(bot: Bot) -> None:
        note(f"connect {bot.self_id}")

    @driver.on_bot_disconnect
    async def disconnect(bot: Bot) -> None:
        note(f"disconnect {bot.self_id}")


def _may_start(settings: Mapping[str, Any]) -> bool:
    return "start_when" not in settings or Path(settings["start_when"]).exists()


def _set_up_forward(driver: Driver, settings: Mapping[str, Any]) -> None:
    if "forward_url" in settings:
        driver.setup_websocket(WebSocketSetup("platform", "forward", settings["forward_url"]))
    if "polling_url" in settings:
        url = settings["polling_url"]
        driver.setup_http_polling(
            HTTPPollingSetup("platform", "polling", url, "GET", b"", {}, "1.1", 0.1)
        )


def settings_of_test() -> dict[str, Any]:
    """Read the settings that the test has set."""
    settings: dict[str, Any] = json.loads(os.environ["BOT_SETTINGS"])
    settings["port"] = settings.pop("port_of_settings", 0)
    if settings.pop("without_uvloop", False):
        # As Python notes a module that cannot be imported.
        sys.modules["uvloop"] = None  # type: ignore[assignment]
    return settings


def note_in_journal(text: str) -> None:
    """Append a line to the journal, which the test reads; several processes may write to it."""
    with open(os.environ["BOT_JOURNAL"], "a", encoding="utf-8") as journal:
        journal.write(text + "\n")


def driver_of_test() -> Driver:
    """Make the driver of a program."""
    return make_driver(settings_of_test(), note_in_journal)
