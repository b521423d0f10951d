"""The suites' bot for GitHub, where only an installation of an App may write."""

from __future__ import annotations

from typing import Any

import nonebot

from nonebot_aiohttp.testing.inside.echo import echo_bot


async def send(bot: Any, event: Any, text: str) -> None:
    """Answer as the installation in which the event has happened."""
    async with bot.as_installation(event.payload.installation.id):
        await bot.send(event, text)


nonebot.init()
echo_bot(send)
nonebot.run()
