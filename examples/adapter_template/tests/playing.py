"""What Pigeon sends, as its document says it, and the settings of a bot that knows this Pigeon."""

import hmac
import itertools
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp.testing import Platform, Received, Route, Updates

TOKEN = "token-of-the-tests"
SECRET = "secret-of-the-tests"

OK = {"ok": True, "result": None}
"""The answer to a call."""

REVERSE = {"X-Pigeon-Bot": "42", "Authorization": f"Bearer {TOKEN}"}
"""The headers with which Pigeon opens a WebSocket."""

_numbers = itertools.count(1)


def settings(platform: Platform, **more: Any) -> dict[str, Any]:
    """Return settings that lead to the platform; the pauses of reconnects are short."""
    return {
        "pigeon_root": platform.url,
        "pigeon_token": TOKEN,
        "pigeon_secret": SECRET,
        "pigeon_reconnect": 0.1,
        "pigeon_reconnect_max": 0.5,
        **more,
    }


def said(text: str, chat: str = "loft") -> dict[str, Any]:
    """Make the event of a message."""
    return {"id": next(_numbers), "type": "message", "chat": chat, "text": text}


def sign(body: bytes, secret: str = SECRET) -> Mapping[str, str]:
    """Make the headers of a webhook."""
    signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {"X-Pigeon-Bot": "42", "X-Pigeon-Signature": signature}


def updates_of(platform: Platform) -> Updates:
    """Have the platform answer polls."""
    return platform.updates(
        "GET", "/events", offset="after", after=True, wrap=lambda events: {"events": events}
    )


def tickets_of(platform: Platform) -> Route:
    """Have the platform give tickets: ticket 1, and so on."""
    numbers = itertools.count(1)
    return platform.on("POST", "/ticket").reply(
        lambda call: {"ok": True, "result": f"ticket-{next(numbers)}"}
    )


async def answer(call: Received, result: Any = None) -> None:
    """Answer a call over a WebSocket."""
    await call.reply({"call": call.json["call"], "ok": True, "result": result})
