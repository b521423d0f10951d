"""Loads the kit, and starts the bot in ``bot.py``."""

import pytest
from nonebot_aiohttp.testing import BotProcess, Platform, Route, StartBot, Updates

from playing import settings, tickets_of, updates_of

pytest_plugins = ["nonebot_aiohttp.testing.plugin"]


@pytest.fixture
def bot(nonebot_bot: StartBot, nonebot_platform: Platform) -> BotProcess:
    """Start the bot; Pigeon begins."""
    return nonebot_bot("bot.py", settings=settings(nonebot_platform))


@pytest.fixture
def updates(nonebot_platform: Platform) -> Updates:
    """Have Pigeon answer polls; `Updates.put` gives the next one something."""
    return updates_of(nonebot_platform)


@pytest.fixture
def polling_bot(nonebot_bot: StartBot, nonebot_platform: Platform, updates: Updates) -> BotProcess:
    """Start the bot, when Pigeon can answer it; it polls."""
    return nonebot_bot("bot.py", settings=settings(nonebot_platform, pigeon_polling=["42"]))


@pytest.fixture
def tickets(nonebot_platform: Platform) -> Route:
    """Have Pigeon give tickets, each of which is another one."""
    return tickets_of(nonebot_platform)


@pytest.fixture
def gateway_bot(nonebot_bot: StartBot, nonebot_platform: Platform, tickets: Route) -> BotProcess:
    """Start the bot, when Pigeon can answer it; it opens a WebSocket."""
    return nonebot_bot("bot.py", settings=settings(nonebot_platform, pigeon_gateway=["42"]))
