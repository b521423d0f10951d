"""A small Discord: the HTTP API that a bot needs, and a gateway."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.waiting import within

from .network import serving

TOKEN = "a.discord.token"
BOT_ID = "700000000000000001"
USER = {
    "id": "700000000000000002",
    "username": "friend",
    "discriminator": "0",
    "global_name": None,
    "avatar": None,
}
BOT = {**USER, "id": BOT_ID, "username": "bot", "bot": True}
CHANNEL = "700000000000000003"


@dataclass
class Gateway:
    """One connection of the bot to the gateway."""

    ws: web.WebSocketResponse
    sequence: itertools.count[int]
    hello: dict[str, Any] = field(default_factory=dict)
    """The payload with which the bot has identified itself, or resumed."""

    async def send(self, op: int, data: Any = None, kind: str | None = None) -> None:
        """Send a payload; a dispatch gets a sequence number."""
        number = next(self.sequence) if op == 0 else None
        await self.ws.send_str(json.dumps({"op": op, "d": data, "s": number, "t": kind}))

    async def start(self, url: str) -> None:
        """Greet, and answer the bot's payloads until it has identified itself."""
        await self.send(10, {"heartbeat_interval": 1000})
        while not self.hello:
            await self.answer(await within(self.ws.receive()))
        if self.hello["op"] == 2:
            await self.send(0, _ready(url), "READY")
        else:
            await self.send(0, {}, "RESUMED")

    async def answer(self, message: Any) -> None:
        """Acknowledge a heartbeat, or keep the payload with which the bot identifies itself."""
        assert message.type is WSMsgType.TEXT, message
        payload = json.loads(message.data)
        if payload["op"] == 1:
            await self.send(11)
        else:
            self.hello = payload


def _ready(url: str) -> dict[str, Any]:
    return {
        "v": 10,
        "user": BOT,
        "guilds": [],
        "session_id": "a session",
        "resume_gateway_url": url,
        "application": {"id": BOT_ID, "flags": 0},
    }


def message(text: str, author: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": str(800_000_000_000_000_000 + number),
        "channel_id": CHANNEL,
        "author": author,
        "content": text,
        "timestamp": "2024-01-01T00:00:00+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        "type": 0,
    }


@dataclass
class Discord:
    """The server's address, and who has come."""

    port: int = 0
    sent: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The texts that the bot has sent."""
    arrivals: asyncio.Queue[Gateway] = field(default_factory=asyncio.Queue)
    """Connections that have identified themselves."""
    tokens: list[str] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    async def say(self, gateway: Gateway, text: str) -> None:
        data = message(text, USER, next(self.numbers))
        await gateway.send(0, data, "MESSAGE_CREATE")

    async def gateway_info(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers["Authorization"])
        limit = {"total": 9, "remaining": 9, "reset_after": 0, "max_concurrency": 1}
        info = {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}
        return web.json_response(info)

    async def me(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(BOT)

    async def send(self, request: web.Request) -> web.StreamResponse:
        text = (await _payload(request))["content"]
        await self.sent.put(text)
        return web.json_response(message(text, BOT, next(self.numbers)))

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Take the bot's gateway connection, and acknowledge its heartbeats."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        gateway = Gateway(ws, self.numbers)
        await gateway.start(self.gateway_url)
        await self.arrivals.put(gateway)
        async for received in ws:
            await gateway.answer(received)
        return ws


async def _payload(request: web.Request) -> dict[str, Any]:
    """Return the JSON of a call, which may come beside files in a form."""
    if request.content_type == "application/json":
        return dict(await request.json())
    form = await request.post()
    return dict(json.loads(str(form["payload_json"])))


@asynccontextmanager
async def discord(port: int = 0) -> AsyncIterator[Discord]:
    """Run a `Discord`; at the end all connections are dropped at once."""
    there = Discord()
    app = web.Application()
    app.router.add_get("/api/v10/gateway/bot", there.gateway_info)
    app.router.add_get("/api/v10/users/@me", there.me)
    app.router.add_post("/api/v10/channels/{channel}/messages", there.send)
    app.router.add_get("/gateway", there.accept)
    app.router.add_get("/gateway/", there.accept)
    async with serving(app, port) as there.port:
        yield there
