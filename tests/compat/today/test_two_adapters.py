"""One bot process with two adapters and three ways in, at once."""

import asyncio
import signal
from pathlib import Path

import aiohttp

from nonebot_aiohttp import testing
from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.onebot import connect, echo_over, platform
from ..support.process import Bot
from ..support.telegram import BOT, METHODS, polled, update


async def test_onebot_and_telegram(bot_driver: Candidate, tmp_path: Path) -> None:
    async with (
        testing.Platform() as chats,
        platform() as there,
        aiohttp.ClientSession() as client,
    ):
        updates, settings = polled(chats)
        settings |= {
            "adapters": ["onebot", "telegram"],
            "onebot_ws_urls": [there.ws_url],
        }
        async with Bot("adapters_bot", bot_driver, tmp_path, **settings) as bot:
            forward = await there.arrival()
            url = bot.ws_url("/onebot/v11/ws")
            async with connect(client, url, "2") as reverse:
                for number in range(3):
                    updates.put(update(f"/echo chat {number}"))
                    await echo_over(forward, f"forward {number}")
                    await echo_over(reverse, f"reverse {number}", "2")
                    sent = await chats.expect("POST", f"{METHODS}/sendMessage")
                    assert sent.json["text"].strip() == f"chat {number}"
            assert {entry["id"] for entry in bot.all_told("connected")} == {
                "10001",
                "2",
                str(BOT["id"]),
            }
            last_word = asyncio.create_task(forward.receive())
            bot.signal(signal.SIGTERM)
            await bot.ended()
            assert (await within(last_word)).type is aiohttp.WSMsgType.CLOSE
        assert bot.all_told("shutdown")
