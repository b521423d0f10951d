"""The bot of the suites: it answers each event that says so, over its adapter.

It understands ``/say TEXT``, ``/count TEXT`` (it says how many characters the text has) and
``/twice TEXT`` (it says ``TEXT 1``, and ``TEXT 2`` when that was answered).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

from .telling import tell

ADAPTER = "NONEBOT_TEST_ADAPTER"
"""The environment variable with the module of the adapter, which has a class ``Adapter``."""

Sending = Callable[[Any, Any, str], Awaitable[Any]]
"""Sends a text: the bot, the event that it answers, and the text."""


async def send_by_the_bot(bot: Any, event: Any, text: str) -> None:
    """Answer an event as most adapters do."""
    await bot.send(event, text)


def echo_bot(send: Sending = send_by_the_bot) -> None:
    """Register the adapter that the environment names, and a matcher that answers.

    Call it between ``nonebot.init()`` and ``nonebot.run()``, in the bot's own process.

    Args:
        send: How the adapter answers an event, where ``bot.send(event, text)`` does not do.
    """
    # Only a bot's own process has NoneBot.
    nonebot = importlib.import_module("nonebot")
    driver = nonebot.get_driver()
    driver.register_adapter(importlib.import_module(os.environ[ADAPTER]).Adapter)

    async def say(bot: Any, event: Any, text: str) -> None:
        await send(bot, event, text)
        # The platform has answered the call, too.
        tell(f"said {text}")

    async def answer(bot: Any, event: Any) -> None:
        command, _, text = event.get_plaintext().strip().partition(" ")
        tell("event", text=f"{command} {text}"[:100])
        if command == "/say":
            await say(bot, event, text)
        elif command == "/count":
            await say(bot, event, str(len(text)))
        elif command == "/twice":
            await say(bot, event, f"{text} 1")
            await say(bot, event, f"{text} 2")

    async def connected(bot: Any) -> None:
        tell("connected", id=bot.self_id)

    async def disconnected(bot: Any) -> None:
        tell("disconnected", id=bot.self_id)

    # NoneBot finds out what a parameter is by its annotation.
    base = importlib.import_module("nonebot.adapters")
    answer.__annotations__ |= {"bot": base.Bot, "event": base.Event, "return": None}
    connected.__annotations__ |= {"bot": base.Bot, "return": None}
    disconnected.__annotations__ |= {"bot": base.Bot, "return": None}
    nonebot.on_message(handlers=[answer], block=False)
    driver.on_bot_connect(connected)
    driver.on_bot_disconnect(disconnected)
