"""A small Telegram: the API methods that a bot needs, with long polling and webhooks."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from .network import serving

TOKEN = "12345:secret"
BOT_ID = "12345"
CHAT = {"id": 100, "type": "private", "first_name": "friend"}
BOT = {"id": int(BOT_ID), "is_bot": True, "first_name": "bot", "username": "a_bot"}


@dataclass
class Telegram:
    """The API server's address, what it was asked, and the updates that it has for the bot."""

    port: int = 0
    sent: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    """Messages and photos that the bot has sent."""
    methods: list[str] = field(default_factory=list)
    webhook: dict[str, Any] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def api_server(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def update(self, text: str) -> dict[str, Any]:
        """Make the update for a message to the bot."""
        return {"update_id": next(self.numbers), "message": self.message(text)}

    def message(self, text: str) -> dict[str, Any]:
        number = next(self.numbers)
        sender = {**CHAT, "is_bot": False}
        return {
            "message_id": number,
            "date": 1_700_000_000,
            "chat": CHAT,
            "from": sender,
            "text": text,
        }

    async def offer(self, text: str) -> None:
        """Have the bot's poll get a message."""
        async with self.changed:
            self.updates.append(self.update(text))
            self.changed.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.methods.append(method)
        params = await _params(request)
        answer = getattr(self, f"do_{method}", self.do_nothing)
        return web.json_response({"ok": True, "result": await answer(params)})

    async def do_nothing(self, params: dict[str, Any]) -> Any:
        """Answer a method without a result."""
        return True

    async def do_getMe(self, params: dict[str, Any]) -> Any:
        return BOT

    async def do_setWebhook(self, params: dict[str, Any]) -> Any:
        self.webhook = params
        return True

    async def do_getUpdates(self, params: dict[str, Any]) -> Any:
        """Wait for an update that the bot has not confirmed by its offset."""
        offset = int(params.get("offset", 0))

        def pending() -> list[dict[str, Any]]:
            return [update for update in self.updates if update["update_id"] >= offset]

        async with self.changed:
            await self.changed.wait_for(pending)
            return pending()

    async def do_sendMessage(self, params: dict[str, Any]) -> Any:
        await self.sent.put(params)
        return self.message(params["text"])

    async def do_sendPhoto(self, params: dict[str, Any]) -> Any:
        await self.sent.put(params)
        return self.message("photo")


async def _params(request: web.Request) -> dict[str, Any]:
    """Return a call's parameters: JSON, or a form with files."""
    if request.content_type == "application/json":
        return dict(await request.json())
    if not request.can_read_body:
        return {}
    form = await request.post()
    return {name: _field(value) for name, value in form.items()}


def _field(value: Any) -> Any:
    if isinstance(value, web.FileField):
        return {"filename": value.filename, "data": value.file.read()}
    return value


@asynccontextmanager
async def telegram(port: int = 0, **options: Any) -> AsyncIterator[Telegram]:
    """Run a `Telegram`; at the end all connections are dropped at once."""
    there = Telegram(**options)
    app = web.Application()
    app.router.add_route("*", "/bot{token}/{method}", there.handle)
    async with serving(app, port) as there.port:
        yield there


def settings_for(there: Telegram, *, is_webhook: bool = False) -> dict[str, Any]:
    """Make the configuration of a bot."""
    bot = {"token": TOKEN, "api_server": there.api_server, "is_webhook": is_webhook}
    url = "https://bot.example"
    return {"adapters": ["telegram"], "telegram_bots": [bot], "telegram_webhook_url": url}


async def push(there: Telegram, bot_url: str, text: str, secret: str | None = None) -> int:
    """Send an update to the webhook that the bot has set, and return the answer's status."""
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret or there.webhook["secret_token"]}
    body = json.dumps(there.update(text))
    async with (
        aiohttp.ClientSession() as client,
        client.post(bot_url, data=body, headers=headers) as got,
    ):
        return got.status
