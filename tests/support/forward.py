"""Setups and drivers for tests of polling and forward WebSockets."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from nonebot_aiohttp import Bot, Driver, HTTPPollingSetup, WebSocketSetup
from tests.support import scripts
from tests.support.bots import RecordingBot, make_driver
from tests.support.clock import FakeClock
from tests.support.frames import Opcode
from tests.support.logs import Logs
from tests.support.server import Connection, Script, ScriptedServer
from tests.support.wire import encode_message, status_line

FIRST_DELAY = 3.0
"""Seconds before the first attempt after a failure, unless a test changes it."""

SLOWEST = 60.0
"""The most seconds between two attempts."""

SECRET = "s3cr3t-T0ken-1234567"
"""A text that a setup may contain, and the log must not."""


def clocked_driver(clock: FakeClock, *adapters: type[Bot], **settings: Any) -> Driver:
    """Make a driver whose loops wait on a test's clock; `settings` are without `aiohttp_`."""
    prefixed = {f"aiohttp_{name}": value for name, value in settings.items()}
    driver = make_driver(*adapters, **prefixed)
    loops = driver._loops
    loops._supplies = dataclasses.replace(loops._supplies, sleep=clock.sleep, clock=clock.clock)
    return driver


def polling(url: str, **changes: Any) -> HTTPPollingSetup:
    """Make a polling setup of bot 1 of the adapter `recorder`."""
    fields: dict[str, Any] = {
        "adapter": "recorder",
        "self_id": "1",
        "url": url,
        # aiohttp does not repeat a POST by itself when a connection breaks.
        "method": "POST",
        "body": b"",
        "headers": {},
        "http_version": "1.1",
        "poll_interval": FIRST_DELAY,
    }
    return HTTPPollingSetup(**fields | changes)


def websocket(url: str, **changes: Any) -> WebSocketSetup:
    """Make a WebSocket setup of bot 1 of the adapter `recorder`."""
    fields: dict[str, Any] = {"adapter": "recorder", "self_id": "1", "url": url}
    return WebSocketSetup(**fields | changes)


@dataclass(frozen=True)
class Way:
    """One of the two ways to connect, for tests of both.

    Attributes:
        interval: The field of a setup for the wait after a failure.
        good: A script that lets one event `b"event"` arrive.
        timeout: The setting that bounds the wait for an answer.
    """

    name: str
    scheme: str
    setup: Callable[..., Any]
    interval: str
    good: Script
    timeout: str

    def url(self, server: ScriptedServer) -> str:
        """Return the address of a server, without a slash at the end."""
        return self.scheme + server.url.removeprefix("http")

    def add(self, driver: Driver, setup: Any) -> None:
        """Register a setup, or the function that makes it."""
        if self.name == "polling":
            driver.setup_http_polling(setup)
        else:
            driver.setup_websocket(setup)

    @asynccontextmanager
    async def running(
        self,
        driver: Driver,
        *scripts: Script,
        ssl_context: ssl.SSLContext | None = None,
        **setup: Any,
    ) -> AsyncIterator[ScriptedServer]:
        """Run a driver with one setup; give the scripted server to which it connects."""
        async with ScriptedServer(*scripts, ssl_context=ssl_context) as server:
            self.add(driver, self.setup(self.url(server), **setup))
            async with driver.lifespan():
                yield server


POLLING = Way(
    "polling", "http", polling, "poll_interval", scripts.status(200, b"event"), "poll_timeout"
)
WEBSOCKET = Way(
    "websocket",
    "ws",
    websocket,
    "reconnect_interval",
    scripts.send_frames("event"),
    "handshake_timeout",
)


def making(setup: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """Return a function that makes a setup."""

    async def make() -> Any:
        return setup

    return make


def answers(*bodies: bytes) -> Script:
    """Answer requests of one connection that stays open, then send nothing more."""

    async def script(connection: Connection) -> None:
        for body in bodies:
            await connection.read_request()
            head = {"Content-Length": str(len(body))}
            await connection.send(encode_message(status_line(200), head, body))
        await connection.read_to_end()

    return script


def warnings(logs: Logs) -> list[str]:
    """Return the first lines of the warnings."""
    return [message.partition("\n")[0] for message in logs.messages("WARNING")]


def tracebacks(logs: Logs) -> int:
    """Count the records with a traceback, which may include those of causes."""
    return len(logs.matching("Traceback (most recent call last)"))


def bot_of(driver: Driver, self_id: str = "1") -> RecordingBot:
    """Return a connected bot."""
    bot = driver.bots[self_id]
    assert isinstance(bot, RecordingBot)
    return bot


def closes(server: ScriptedServer) -> list[tuple[int | None, str]]:
    """Return the codes and reasons of the close frames that have arrived."""
    found = [frame for attempt in server.attempts for frame in attempt.frames]
    return [(f.close_code, f.close_reason) for f in found if f.opcode == Opcode.CLOSE]
