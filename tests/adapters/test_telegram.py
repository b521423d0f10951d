"""The adapter for Telegram (https://core.telegram.org/bots/api), by polling and by webhook.

The address of the API is the one that is fixed in the adapter, so the bot reaches it by a proxy.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

HOST = "api.telegram.org"
TOKEN = "12345:secret"
CHAT = {"id": 100, "type": "private", "first_name": "friend"}
BOT = {"id": 12345, "is_bot": True, "first_name": "bot", "username": "a_bot"}
numbers = itertools.count(1)


def message(text: str) -> dict[str, Any]:
    """Make a message of the chat (https://core.telegram.org/bots/api#message)."""
    sender = {**CHAT, "is_bot": False}
    return {
        "message_id": next(numbers),
        "date": 1_700_000_000,
        "chat": CHAT,
        "from": sender,
        "text": text,
    }


def ok(result: Any) -> dict[str, Any]:
    """Answer a call (https://core.telegram.org/bots/api#making-requests)."""
    return {"ok": True, "result": result}


class Telegram(suites.Suite):
    adapter = "nonebot.adapters.telegram"
    hosts = (HOST,)
    api = ("POST", f"/bot{TOKEN}/sendMessage")
    is_webhook: bool

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {
            "telegram_bots": [{"token": TOKEN, "is_webhook": self.is_webhook}],
            "telegram_webhook_url": "https://bot.example",
        }

    def prepare(self, platform: testing.Platform) -> None:
        for method, result in {"getMe": BOT, "deleteWebhook": True}.items():
            platform.on("POST", f"/bot{TOKEN}/{method}", host=HOST).reply(json=ok(result))

    def event(self, text: str) -> Any:
        return {"update_id": next(numbers), "message": message(text)}

    def said(self, call: suites.base.Message) -> str | None:
        assert isinstance(call, testing.Call)
        assert call.host == HOST
        assert call.parameters["chat_id"] == "100"
        text: str = call.parameters["text"]
        return text

    def result(self, call: suites.base.Message) -> Any:
        return ok(message(self.said(call) or ""))


class TestPolling(Telegram, suites.PollingSuite):
    is_webhook = False

    def updates(self, platform: testing.Platform) -> testing.Updates:
        return platform.updates("POST", f"/bot{TOKEN}/getUpdates", id="update_id", wrap=ok)
