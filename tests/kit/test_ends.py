"""The kit's bots at their end: what they tell late, and what is left of one that does not start."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.bots.up import DidNotStart

from .test_process import bot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


async def test_what_is_told_late_is_known_apart(tmp_path: Path) -> None:
    more = """
from nonebot_aiohttp.testing import tell

async def before():
    loop = asyncio.get_running_loop()
    asyncio.current_task().add_done_callback(lambda _: loop.call_soon(tell, "late"))

async def after():
    tell("in time")
"""
    async with bot(tmp_path / "bot.py", more) as running:
        await running.stop()
        assert [entry["what"] for entry in running.all_told()] == ["in time", "late"]
        assert [entry["what"] for entry in running.all_told(late=False)] == ["in time"]
        assert running.all_told("late", late=False) == []


def fails() -> None:
    raise RuntimeError("no bot")


def test_the_folder_of_a_bot_that_does_not_start_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DidNotStart, match="exit code 1"):
        BotProcess(fails).start()
    assert list(tmp_path.iterdir()) == []
