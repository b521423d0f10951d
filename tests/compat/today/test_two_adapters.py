"""One bot process with two adapters and three ways in, at once."""

import signal
from pathlib import Path

from nonebot_aiohttp import testing

from ..support.choice import Candidate
from ..support.onebot import Platform, echo_over
from ..support.process import Bot
from ..support.telegram import BOT, METHODS, polled, update


async def test_onebot_and_telegram(bot_driver: Candidate, tmp_path: Path, there: Platform) -> None:
    async with testing.Platform() as chats:
        updates, settings = polled(chats)
        settings |= {
            "adapters": ["onebot", "telegram"],
            "onebot_ws_urls": [there.forward_url],
        }
        async with Bot("adapters_bot", bot_driver, tmp_path, **settings) as bot:
            forward = await there.connected(deadline=30)
            url = bot.ws_url("/onebot/v11/ws")
            async with there.reverse(url, "2") as reverse:
                for number in range(3):
                    updates.put(update(f"/echo chat {number}"))
                    await echo_over(forward, f"forward {number}")
                    await echo_over(reverse, f"reverse {number}", "2")
                    sent = await chats.expect("POST", f"{METHODS}/sendMessage")
                    assert sent.json["text"].strip() == f"chat {number}"
            connected = {entry["id"] for entry in bot.all_told("connected")}
            assert connected == {"10001", "2", str(BOT["id"])}
            bot.signal(signal.SIGTERM)
            await bot.ended()
            assert (await forward.closed()).code != 1006
        assert bot.all_told("shutdown")
