"""One bot process with two adapters and three ways in, at once."""

from pathlib import Path

from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.onebot import Platform, echo_over
from ..support.process import running
from ..support.telegram import BOT_ID, settings_for, telegram


async def test_onebot_and_telegram(bot_driver: Candidate, tmp_path: Path, there: Platform) -> None:
    async with telegram() as chats:
        settings = {
            **settings_for(chats),
            "adapters": ["onebot", "telegram"],
            "onebot_ws_urls": [there.forward_url],
        }
        async with running("adapters_bot", bot_driver, tmp_path, **settings) as bot:
            forward = await there.connected(deadline=30)
            url = bot.url("/onebot/v11/ws", scheme="ws")
            async with there.reverse(url, "2") as reverse:
                for number in range(3):
                    await chats.offer(f"/echo chat {number}")
                    await echo_over(forward, f"forward {number}")
                    await echo_over(reverse, f"reverse {number}", "2")
                    sent = await within(chats.sent.get())
                    assert sent["text"].strip() == f"chat {number}"
            assert {entry["id"] for entry in bot.noted("connected")} == {"10001", "2", BOT_ID}
            bot.send_stop()
            await bot.ended()
            assert (await forward.closed()).code != 1006
        assert bot.noted("shutdown")
