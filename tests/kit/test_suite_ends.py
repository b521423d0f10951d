"""How a suite begins and ends a test: its event loop, the timeline, and when a stop has begun."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.common.journal import NothingCame
from nonebot_aiohttp.testing.common.timeline import BOT, timeline
from nonebot_aiohttp.testing.platforms.platform import Platform
from nonebot_aiohttp.testing.suites.base import Suite
from nonebot_aiohttp.testing.suites.ends import begin_to_stop
from tests.kit import test_process as programs

ports.claim()

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

STOPS = """
async def main():
    loop, goes_on = asyncio.get_running_loop(), asyncio.Event()
    server = await asyncio.start_server(answer, os.environ["HOST"], int(os.environ["PORT"]))
    loop.add_signal_handler(signal.SIGUSR1, goes_on.set)
    def stop():
        print("[INFO] an event came")
        {how}
    loop.add_signal_handler(signal.SIGTERM, stop)
    print("up")
    await goes_on.wait()
    server.close()
    # The kit may have looked by a connection just now.
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
"""

SIGNS = {
    "by its log": 'print("[INFO] uvicorn: Shutting down")',
    "by its port": "server.close()",
    "by its end": "goes_on.set()",
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], BotProcess]:
    return lambda how: programs.bot(tmp_path / "bot.py", STOPS.replace("{how}", how))


@on_posix
@pytest.mark.parametrize("how", SIGNS.values(), ids=SIGNS)
async def test_a_stop_has_begun(make: Callable[[str], BotProcess], how: str) -> None:
    async with make(how) as bot:
        await begin_to_stop(bot, 20)
        if how != SIGNS["by its end"]:
            bot.signal(signal.SIGUSR1)
        assert await bot.stop() == 0


@on_posix
async def test_any_other_line_is_not_the_begin_of_a_stop(
    make: Callable[[str], BotProcess],
) -> None:
    async with make("pass") as bot:
        with pytest.raises(NothingCame, match="the begin of the bot's stop"):
            await begin_to_stop(bot, 0.5)
        await bot.logged("an event came")
        bot.signal(signal.SIGUSR1)
        assert await bot.stop() == 0


class Plain(Suite):
    """A suite without a bot."""

    def settings(self, platform: Platform) -> Mapping[str, Any]:
        return {}

    def event(self, text: str) -> Any:
        return text

    def said(self, call: Any) -> str | None:
        return None

    def result(self, call: Any) -> Any:
        return {}

    async def send(self, event: Any) -> None:
        pass


def test_a_test_of_a_suite_leaves_no_task_and_no_thread() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("the task")

    async def test(kept: list[asyncio.Task[None]]) -> None:
        kept.append(asyncio.create_task(wait()))
        await asyncio.to_thread(lambda: None)

    before = set(threading.enumerate())
    kept: list[asyncio.Task[None]] = []
    Plain().run(partial(test, kept), "~none")
    assert ended == ["the task"]
    assert kept[0].cancelled()
    assert set(threading.enumerate()) == before


def test_a_test_of_a_suite_has_a_timeline_of_its_own() -> None:
    async def test() -> None:
        assert "of another test" not in timeline.render()

    timeline.note(BOT, "of another test")
    Plain().run(test, "~none")
