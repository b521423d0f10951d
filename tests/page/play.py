"""A scripted run that the docs' picture is taken of: bots at work, one outage, one that drops."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

from nonebot_aiohttp import Driver
from tests.page.scene import Scene, operated_driver, scene
from tests.support import frames
from tests.support.bots import RecordingBot
from tests.support.client import RawClient
from tests.support.forward import polling, websocket
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually

BOTS = {"onebot": ("10001", "10002", "10003", "10004"), "kook": ("20001", "20002")}
"""The bots that connect, by their adapters; the last one of all drops."""

TURN = 0.25
"""Seconds between two turns of the run."""

_WAVE = 60
# Seconds from one busy time to the next.


class Onebot(RecordingBot):
    """Answers a message, or calls its platform's API."""

    api: ClassVar[str] = ""

    async def react(self, message: bytes) -> None:
        """Answer, or call, or do nothing, as the message says."""
        if message == b"answer":
            await self.socket.send("answer")
        elif message == b"call":
            driver = self.driver
            assert isinstance(driver, Driver)
            async with driver.session.get(self.api) as response:
                await response.read()


class Kook(Onebot):
    """The same, for another platform."""


async def _platform(connection: Connection) -> None:
    """Be a platform whose API works but for a call now and then, and whose WebSocket is down."""
    request = await connection.read_request()
    ordinal = connection.attempt.number
    is_down = request.target.startswith("/ws") or ordinal % 40 == 0
    await connection.respond(503 if is_down else 200, b"event")


class Play:
    """The bots' peers, which send what happens.

    Attributes:
        shown: The driver and its page.
    """

    def __init__(self, shown: Scene) -> None:
        self.shown = shown
        self._clients: list[RawClient] = []

    async def connect(self, stack: AsyncExitStack) -> None:
        """Connect all bots."""
        for adapter, ids in BOTS.items():
            for self_id in ids:
                client = await stack.enter_async_context(await self.shown.host.client())
                answer = await self.shown.host.upgrade(
                    client, {"X-Self-ID": self_id}, f"/{adapter}/ws"
                )
                assert answer.status == 101
                self._clients.append(client)

    async def go_on(self, seconds: float) -> None:
        """Send events for some seconds; near the end a bot drops."""
        turns = round(seconds / TURN)
        for turn in range(turns):
            if turn == turns * 3 // 4:
                await self._clients.pop().close()
            busy = 1.2 + math.sin(turn * TURN / _WAVE * 2 * math.pi)
            for number in range(round(busy * 4)):
                client = self._clients[number % len(self._clients)]
                kind = ("answer", "", "call", "answer", "")[(turn + number) % 5]
                await client.send_frame(frames.text(kind or "event"))
            if turn % 3 == 0:
                await self.shown.host.request("POST", "/onebot/", {"X-Self-ID": "10001"}, b"event")
            await asyncio.sleep(TURN)


@asynccontextmanager
async def playing() -> AsyncIterator[Play]:
    """Start the driver and its platform, and connect the bots."""
    async with ScriptedServer(_platform) as platform, AsyncExitStack() as stack:
        Onebot.api = f"{platform.url}/send"
        driver = operated_driver(Onebot, Kook)
        driver.setup_websocket(websocket(f"{platform.ws_url}/ws", adapter="kook", self_id="20003"))
        poll = f"{platform.url}/poll"
        driver.setup_http_polling(polling(poll, adapter="onebot", self_id="10005"))
        play = Play(await stack.enter_async_context(scene(driver)))
        await play.connect(stack)
        await eventually(lambda: len(driver.bots) >= len(sum(BOTS.values(), ())))
        yield play
