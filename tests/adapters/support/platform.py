"""What all scripted platforms are: servers that can be restarted, and what bots have sent them."""

from __future__ import annotations

import abc
import asyncio
import io
import itertools
import json
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from tests.compat.support.network import serving
from tests.compat.support.process import Bot
from tests.support.waiting import within

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Platform(abc.ABC):
    """A chat platform with one person on it, scripted from the documents of its protocol.

    It is as strict as they are: what they do not allow a bot is refused and is a complaint, and a
    test with complaints fails.

    Attributes:
        adapter: The module of the adapter.
        folder: Where it may keep files, such as certificates.
        numbers: The numbers of its events.
        sent: The texts that the bot has sent to the person.
        environment: What the bot's environment has to have.
        ssl_context: The server's TLS context; None is plain HTTP.
    """

    adapter: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.numbers = itertools.count(1)
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.complaints: list[str] = []
        self.environment: dict[str, str] = {}
        self.ssl_context: ssl.SSLContext | None = None
        self._server = AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abc.abstractmethod
    def routes(self) -> Iterable[web.RouteDef]:
        """Return what the server answers."""

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the configuration of the bot; the server listens already."""

    @abc.abstractmethod
    async def say(self, bot: Bot, text: str) -> None:
        """Have the person say something to the bot."""

    async def start(self) -> None:
        """Listen: first on a free port, later on the same one again."""
        app = web.Application(middlewares=[self._watch])
        app.add_routes(self.routes())
        serves = serving(app, self.port, self.ssl_context)
        self.port = await self._server.enter_async_context(serves)

    async def stop(self) -> None:
        """Drop all connections, and listen no longer."""
        await self._server.aclose()

    async def restart(self) -> None:
        """Stop, and come back at the same address."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stop for good, with all that a restart leaves alone."""
        await self.stop()

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what an assertion finds wrong or no route is for, and keep it as a complaint."""
        try:
            return await handler(request)
        except (AssertionError, web.HTTPException) as error:
            self.complaints.append(f"{request.method} {request.path}: {error!r}")
            return web.Response(status=getattr(error, "status", 400), text=repr(error))


class Gateway(Platform):
    """A platform that bots connect to by WebSocket, for its events."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ready = asyncio.Event()
        self._ws: web.WebSocketResponse | None = None

    @abc.abstractmethod
    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        """Take a connection to its end; `welcome` tells when the bot may be sent events."""

    @abc.abstractmethod
    def event(self, text: str) -> dict[str, Any]:
        """Make the event of a message."""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        self._ws = ws = web.WebSocketResponse()
        await ws.prepare(request)
        try:
            await self.converse(request, ws)
        finally:
            self._ready.clear()
        return ws

    def welcome(self) -> None:
        """Have events delivered: the bot has introduced itself."""
        self._ready.set()

    async def transmit(self, ws: web.WebSocketResponse, payload: dict[str, Any]) -> None:
        await ws.send_str(json.dumps(payload))

    async def say(self, bot: Bot, text: str) -> None:
        """Send an event, as soon as the bot is connected."""
        await within(self._ready.wait(), 30)
        assert self._ws is not None
        await self.transmit(self._ws, self.event(text))

    async def stop(self) -> None:
        """Drop the bot's connection, too."""
        self._ready.clear()
        await super().stop()


class Webhook(Platform):
    """A platform that posts its events to the bot, and whose HTTP API the bot calls.

    Attributes:
        path: The path of the bot's webhook.
        accepted: The status of the bot's answer to an event that it takes.
    """

    path: ClassVar[str]
    accepted: ClassVar[int] = 200

    @abc.abstractmethod
    def delivery(self, text: str) -> tuple[bytes, dict[str, str]]:
        """Make the body and the headers of the request with a message."""

    async def post(self, bot: Bot, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send a request to the webhook and return the status and the body of the answer."""
        async with (
            aiohttp.ClientSession() as client,
            client.post(bot.url(self.path), data=io.BytesIO(body), headers=headers) as got,
        ):
            return got.status, await got.read()

    async def say(self, bot: Bot, text: str) -> None:
        status, answer = await self.post(bot, *self.delivery(text))
        assert status == self.accepted, answer
