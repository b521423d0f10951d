"""Telegram on the kit's platform (https://core.telegram.org/bots/api), as far as bots need it."""

from __future__ import annotations

import itertools
from typing import Any

from nonebot_aiohttp.testing import Call, Platform, Updates

TOKEN = "12345:secret"
METHODS = f"/bot{TOKEN}"
"""Where the methods of the API are."""

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


def update(text: str) -> dict[str, Any]:
    """Make the update of a message to the bot (https://core.telegram.org/bots/api#update)."""
    return {"update_id": next(numbers), "message": message(text)}


def ok(result: Any) -> dict[str, Any]:
    """Answer a call (https://core.telegram.org/bots/api#making-requests)."""
    return {"ok": True, "result": result}


def introduce(platform: Platform) -> None:
    """Answer what a bot asks before it polls."""
    for method, result in {"getMe": BOT, "deleteWebhook": True}.items():
        platform.on("POST", f"{METHODS}/{method}").reply(json=ok(result))


def updates(platform: Platform) -> Updates:
    """Answer a bot's polls."""
    return platform.updates("POST", f"{METHODS}/getUpdates", id="update_id", wrap=ok)


def echo(call: Call) -> dict[str, Any]:
    """Answer ``sendMessage``."""
    return ok(message(call.parameters["text"]))


def polled(platform: Platform) -> tuple[Updates, dict[str, Any]]:
    """Play all that a bot needs which polls; return its updates, and its configuration."""
    introduce(platform)
    platform.on("POST", f"{METHODS}/sendMessage").reply(echo)
    bot = {"token": TOKEN, "api_server": f"{platform.url}/"}
    return updates(platform), {"adapters": ["telegram"], "telegram_bots": [bot]}
