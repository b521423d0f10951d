"""What a bot tells when its main coroutine has ended is known apart."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .test_kit_process import bot

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
