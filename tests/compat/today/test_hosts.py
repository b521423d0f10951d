"""NoneBot's lifespan under every host of the driver: one task, from the start to a clean end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import eventually, within

from ..support.choice import Candidate
from ..support.process import Bot, running
from ..support.recorder import Recorder

pytestmark = pytest.mark.not_under("serve", "it starts and stops as run() does")

STEPS = ["startup 1", "startup 2", "ready", "shutdown 2", "shutdown 1"]


@pytest.fixture
async def bot(hosted_driver: Candidate, tmp_path: Path, recorder: Recorder) -> AsyncIterator[Bot]:
    """A bot whose platform is the recorder."""
    platform = recorder.url("")
    async with running("hosted_bot", hosted_driver, tmp_path, platform=platform) as bot:
        yield bot


def whats(bot: Bot) -> list[Any]:
    """Return what the bot has noted, but for the tasks."""
    return [entry.get("name", entry["what"]) for entry in bot.journal if entry["what"] != "task"]


async def test_all_in_one_task(bot: Bot) -> None:
    await bot.stop()
    assert [entry["name"] for entry in bot.noted("step")] == STEPS
    tasks = bot.noted("task")
    # The second hooks are no coroutines: NoneBot calls them in threads.
    assert len(tasks) == 3
    assert len({entry["id"] for entry in tasks}) == 1


async def test_tasks_of_nonebot_live_until_the_shutdown_has_ended(bot: Bot) -> None:
    await bot.note("background has started")
    await bot.stop()
    noted = whats(bot)
    assert noted.index("shutdown 1") < noted.index("background has ended")


async def test_disconnect_hooks_end_though_a_shutdown_function_is_their_cause(bot: Bot) -> None:
    await bot.stop()
    asked = [entry for entry in bot.journal if entry["what"] == "asked: disconnected-resident"]
    assert [entry["status"] for entry in asked] == [200]


async def test_bot_of_a_websocket_comes_and_goes(bot: Bot, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(bot.url("/line", scheme="ws")) as ws:
        await ws.send_str("hello")
        assert await within(ws.receive_str()) == "hello"
    await bot.note("asked: disconnected-guest")
    async with client.get(bot.url("/nothing")) as answer:
        assert answer.status == 404
    # The connection of the request stays open, and does not hold up the stop.
    bot.send_stop()
    await eventually(lambda: not bot.is_running, 15, "the end")


async def test_client_half_beside_nonebots_own_servers(
    client_driver: Candidate, tmp_path: Path
) -> None:
    async with running("lifespan_bot", client_driver, tmp_path) as bot:
        await eventually(lambda: {"what": "step", "name": "ready"} in bot.journal, 60, "the start")
        await bot.note("background has started")
        await bot.stop()
    assert [entry["name"] for entry in bot.noted("step")] == STEPS
    assert len({entry["id"] for entry in bot.noted("task")}) == 1
    assert bot.journal[-1]["what"] == "background has ended"
