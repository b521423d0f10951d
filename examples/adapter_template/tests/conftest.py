"""Loads the kit, and starts the bot in ``bot.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from nonebot_aiohttp.testing import BotProcess, Platform

from playing import settings

if TYPE_CHECKING:
    # pytest itself imports it, for the assertions in it.
    from nonebot_aiohttp.testing.plugin import StartBot

pytest_plugins = ["nonebot_aiohttp.testing.plugin"]


@pytest.fixture
def bot(nonebot_bot: StartBot, nonebot_platform: Platform) -> BotProcess:
    """Start the bot; the platform begins."""
    return nonebot_bot("bot.py", settings=settings(nonebot_platform))


@pytest.fixture
def polling_bot(nonebot_bot: StartBot, nonebot_platform: Platform) -> BotProcess:
    """Start the bot; it polls."""
    return nonebot_bot("bot.py", settings=settings(nonebot_platform, pigeon_polling=["42"]))


@pytest.fixture
def gateway_bot(nonebot_bot: StartBot, nonebot_platform: Platform) -> BotProcess:
    """Start the bot; it opens a WebSocket."""
    return nonebot_bot("bot.py", settings=settings(nonebot_platform, pigeon_gateway=["42"]))
