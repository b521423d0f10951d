"""NoneBot's lifespan under every host of the driver: one task, from the start to a clean end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.process import Bot
from ..support.recorder import Recorder

pytestmark = pytest.mark.not_under("serve", "it starts and stops as run() does")

STEPS = ["startup 1", "startup 2", "ready", "shutdown 2", "shutdown 1"]


@pytest.fixture
async def bot(hosted_driver: Candidate, tmp_path: Path, recorder: Recorder) -> AsyncIterator[Bot]:
    """A bot whose platform is the recorder."""
    platform = recorder.url("")
    async with Bot("hosted_bot", hosted_driver, tmp_path, platform=platform) as bot:
        yield bot


def whats(bot: Bot) -> list[Any]:
    """Return what the bot has noted, except the tasks."""
    return [entry.get("name", entry["what"]) for entry in bot.all_told() if entry["what"] != "task"]


async def test_life(bot: Bot, client: aiohttp.ClientSession) -> None:
    await bot.told("background has started")
    async with client.ws_connect(bot.url("/line", scheme="ws")) as ws:
        await ws.send_str("hello")
        assert await within(ws.receive_str()) == "hello"
    await bot.told("asked: disconnected-guest")
    async with client.get(bot.url("/nothing")) as answer:
        assert answer.status == 404
    # The connection of the request stays open, and does not hold up the stop.
    await within(bot.stop(), 15)
    assert [entry["name"] for entry in bot.all_told("step")] == STEPS
    tasks = bot.all_told("task")
    # NoneBot calls the second hooks, which are not coroutine functions, in threads.
    assert len(tasks) == 3
    assert len({entry["id"] for entry in tasks}) == 1
    noted = whats(bot)
    assert noted.index("shutdown 1") < noted.index("background has ended")
    # A shutdown function has disconnected the bot, and the hooks end nevertheless.
    assert [entry["status"] for entry in bot.all_told("asked: disconnected-resident")] == [200]


async def test_client_half_beside_nonebots_own_servers(
    client_driver: Candidate, tmp_path: Path
) -> None:
    async with Bot("lifespan_bot", client_driver, tmp_path) as bot:
        await bot.told("background has started")
        await bot.stop()
    assert [entry["name"] for entry in bot.all_told("step")] == STEPS
    assert len({entry["id"] for entry in bot.all_told("task")}) == 1
    assert bot.all_told()[-1]["what"] == "background has ended"
