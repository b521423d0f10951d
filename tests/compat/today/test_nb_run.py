"""Ctrl+C at a terminal, as most bots are stopped under ``nb run``, and ``nb run --reload``.

Trap: the terminal signals the whole group, and nb-cli then its child besides.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.waiting import eventually

from ..support.choice import OURS, Candidate
from ..support.onebot import Platform, message_event
from ..support.process import BOTS, Bot
from .test_events import handled, options, post

if sys.platform == "win32":
    pytest.skip("a terminal of Unix", allow_module_level=True)

import fcntl
import termios

pytestmark = pytest.mark.timeout(90)

PROJECT = """
[project]
name = "bot"
version = "0.1.0"

[tool.nonebot]
plugin_dirs = []

[tool.nonebot.adapters]

[tool.nonebot.plugins]
"""


class Terminal:
    """A terminal with a bot at work in it."""

    def __init__(self, command: list[str], bot: Bot, folder: Path) -> None:
        self._terminal, inside = os.openpty()
        self._output = bytearray()
        environment = bot._env()
        environment["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        environment.pop("VIRTUAL_ENV", None)
        bot.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(inside)
        asyncio.get_running_loop().add_reader(self._terminal, self._read)

    def _read(self) -> None:
        try:
            self._output += os.read(self._terminal, 1 << 16)
        except OSError:
            # Linux says so when the last process has closed its side.
            asyncio.get_running_loop().remove_reader(self._terminal)

    @property
    def text(self) -> str:
        """What is on the screen, without its colours."""
        return re.sub(r"\x1b\[[\d;]*m", "", self._output.decode("utf-8", "replace"))

    async def shows(self, text: str) -> None:
        await eventually(lambda: text in self.text, what=text, timeout=30)

    def press_ctrl_c(self) -> None:
        """Press Ctrl+C: the terminal sends SIGINT to all processes in the foreground."""
        os.write(self._terminal, b"\x03")

    def close(self) -> None:
        """Close it; what is still at work gets SIGHUP."""
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)
        print(self.text)


@asynccontextmanager
async def in_terminal(bot: Bot, folder: Path, *options: str) -> AsyncIterator[Terminal]:
    """Run a bot with ``nb run`` and its options in a terminal."""
    (folder / "pyproject.toml").write_text(PROJECT)
    program = BOTS / "adapters_bot.py"
    (folder / "bot.py").write_text(
        f'import runpy\nrunpy.run_path({str(program)!r}, run_name="__main__")\n'
    )
    terminal = Terminal([sys.executable, "-m", "nb_cli", "run", *options], bot, folder)
    try:
        await terminal.shows("Listening on")
        yield terminal
    finally:
        terminal.close()
        bot.kill()


@pytest.mark.promise("life: any other further signal is the same request to stop")
async def test_ctrl_c_is_one_orderly_stop(tmp_path: Path, there: Platform) -> None:
    bot = Bot("adapters_bot", Candidate(OURS), tmp_path, **options(there, work_seconds=1))
    async with in_terminal(bot, tmp_path) as terminal:
        for number in range(3):
            assert await post(there, bot, message_event(f"/work {number}")) == 204
        await bot.note("begun", 3)
        terminal.press_ctrl_c()
        assert await bot.ended() == 0
        await terminal.shows("Stopped")
    assert handled(bot) == ["0", "1", "2"]
    assert "Stopping, up to 20 s for what runs; Ctrl+C again cuts it off" in terminal.text
    for wrong in ("Forced", "has failed", "Cut off", "Traceback"):
        assert wrong not in terminal.text


async def test_reload_loses_no_event_that_has_begun(tmp_path: Path, there: Platform) -> None:
    bot = Bot("adapters_bot", Candidate(OURS), tmp_path, **options(there, work_seconds=1))
    async with in_terminal(bot, tmp_path, "--reload") as terminal:
        assert await post(there, bot, message_event("/work before")) == 204
        await bot.note("begun")
        with (tmp_path / "bot.py").open("a") as program:
            program.write("# changed\n")
        await terminal.shows("Reloading")
        await eventually(lambda: terminal.text.count("Listening on") == 2, timeout=30)
        assert handled(bot) == ["before"]
        assert await post(there, bot, message_event("/work after")) == 204
        await bot.note("begun", 2)
        terminal.press_ctrl_c()
        assert await bot.ended() == 0
        await eventually(lambda: terminal.text.count("Stopped") >= 2, timeout=30)
    assert handled(bot) == ["after", "before"]
    assert "Cut off" not in terminal.text
    assert "Traceback" not in terminal.text
