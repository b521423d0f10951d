"""The current Discord adapter against a small gateway. It waits 5 s before its first heartbeat."""

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.discord import BOT_ID, TOKEN, Discord, Gateway, discord
from ..support.process import Bot

pytestmark = pytest.mark.timeout(90)


async def echo(there: Discord, text: str) -> Gateway:
    """Take a connection of the bot's, and have it echo."""
    gateway = await within(there.arrivals.get(), 30)
    await there.say(gateway, f"/echo {text}")
    assert (await within(there.sent.get())).strip() == text
    return gateway


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_gateway(bot_driver: Candidate, tmp_path: Path) -> None:
    """The bot echoes, again after a restart of the gateway, and ends at the stop what it began."""
    async with AsyncExitStack() as stack:
        async with discord() as there:
            port = there.port
            settings = {
                "adapters": ["discord"],
                "discord_bots": [{"token": TOKEN, "intent": {"message_content": True}}],
                "discord_api": there.api,
            }
            bot = await stack.enter_async_context(
                Bot("adapters_bot", bot_driver, tmp_path, **settings)
            )
            await echo(there, "一")
            assert there.tokens == [f"Bot {TOKEN}"]
            assert (await bot.told("connected"))["id"] == BOT_ID
        await bot.told("disconnected")
        async with discord(port) as there:
            gateway = await echo(there, "two")
            await bot.told("connected", 2)
            await there.say(gateway, "/work last")
            await bot.told("begun")
            bot.signal(signal.SIGTERM)
            await bot.ended()
    assert bot.all_told("shutdown")
    # NoneBot's own drivers do not wait for matchers.
    assert bot.all_told("handled") or not bot_driver.is_ours
