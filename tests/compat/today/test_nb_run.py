"""Ctrl+C at a terminal, as most bots are stopped under ``nb run``, and ``nb run --reload``.

Trap: the terminal signals the whole group, and nb-cli then its child besides.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp.testing.bots import base as bots
from nonebot_aiohttp.testing.inside import hosting, telling
from tests.support.ports import free_port
from tests.support.waiting import eventually

from ..support.choice import OURS
from ..support.onebot import Platform, message_event
from ..support.process import BOTS
from . import test_events
from .test_events import handled, post

if sys.platform == "win32":
    pytest.skip("a terminal of Unix", allow_module_level=True)

import fcntl
import termios

pytestmark = pytest.mark.timeout(90)

ENTRY = re.compile(rb"\x1e(.*?)\x1f", re.DOTALL)
"""What a bot tells, between the lines that it logs."""

PROJECT = """
[project]
name = "bot"
version = "0.1.0"

[tool.nonebot]
plugin_dirs = []

[tool.nonebot.adapters]

[tool.nonebot.plugins]
"""


class Terminal(bots.Bot):
    """A terminal with a bot at work in it, which tells its test there what it has to tell."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Run the bot of a folder with ``nb run`` and its options."""
        super().__init__("127.0.0.1", free_port())
        self._terminal, inside = os.openpty()
        self._output = bytearray()
        environment = hosting.environment(BOTS)
        environment.pop("VIRTUAL_ENV", None)
        places = [str(Path(sys.executable).parent), environment["PATH"]]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nb_cli", "run", *options],
            cwd=folder,
            env={
                **environment,
                "PATH": os.pathsep.join(places),
                "DRIVER": OURS,
                "HOST": self.host,
                "PORT": str(self.port),
                telling.VARIABLE: "1",
            },
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

    def all_told(self, what: str) -> list[dict[str, Any]]:
        """Return what the bot has told so far under a name."""
        told = (json.loads(entry)["told"] for entry in ENTRY.findall(self._output))
        return [entry for entry in told if entry["what"] == what]

    async def told(self, what: str, number: int = 1) -> None:
        """Wait until the bot has told something so many times."""
        await eventually(lambda: len(self.all_told(what)) >= number, 30, f"{what} {number}")

    async def ended(self) -> int:
        """Wait for the end of ``nb run`` and return its exit code."""
        return int(await asyncio.to_thread(self._process.wait, 60))

    @property
    def text(self) -> str:
        """What is on the screen, without its colours."""
        shown = ENTRY.sub(b"", self._output).decode("utf-8", "replace")
        return re.sub(r"\x1b\[[\d;]*m", "", shown)

    async def shows(self, text: str) -> None:
        await eventually(lambda: text in self.text, what=text, timeout=30)

    def press_ctrl_c(self) -> None:
        """Press Ctrl+C: the terminal sends SIGINT to all processes in the foreground."""
        os.write(self._terminal, b"\x03")

    def close(self) -> None:
        """Close it; what is still at work gets SIGHUP."""
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)
        self._process.kill()
        self._process.wait()
        print(self.text)


@asynccontextmanager
async def in_terminal(folder: Path, there: Platform, *options: str) -> AsyncIterator[Terminal]:
    """Run a bot with ``nb run`` and its options in a terminal."""
    (folder / "pyproject.toml").write_text(PROJECT)
    program = BOTS / "adapters_bot.py"
    (folder / "bot.py").write_text(
        f'import runpy\nrunpy.run_path({str(program)!r}, run_name="__main__")\n'
    )
    settings = test_events.options(there, work_seconds=1)
    lines = [f"{name}={json.dumps(value)}\n" for name, value in settings.items()]
    (folder / ".env").write_text("".join(lines))
    terminal = Terminal(folder, *options)
    try:
        await terminal.shows("Listening on")
        yield terminal
    finally:
        terminal.close()


@pytest.mark.promise("life: any other further signal is the same request to stop")
async def test_ctrl_c_is_one_orderly_stop(tmp_path: Path, there: Platform) -> None:
    async with in_terminal(tmp_path, there) as bot:
        for number in range(3):
            assert await post(there, bot, message_event(f"/work {number}")) == 204
        await bot.told("begun", 3)
        bot.press_ctrl_c()
        assert await bot.ended() == 0
        await bot.shows("Stopped")
    assert handled(bot) == ["0", "1", "2"]
    assert "Stopping, up to 20 s for what runs; Ctrl+C again cuts it off" in bot.text
    for wrong in ("Forced", "has failed", "Cut off", "Traceback"):
        assert wrong not in bot.text


async def test_reload_loses_no_event_that_has_begun(tmp_path: Path, there: Platform) -> None:
    async with in_terminal(tmp_path, there, "--reload") as bot:
        assert await post(there, bot, message_event("/work before")) == 204
        await bot.told("begun")
        with (tmp_path / "bot.py").open("a") as program:
            program.write("# changed\n")
        await bot.shows("Reloading")
        await eventually(lambda: bot.text.count("Listening on") == 2, timeout=30)
        assert handled(bot) == ["before"]
        assert await post(there, bot, message_event("/work after")) == 204
        await bot.told("begun", 2)
        bot.press_ctrl_c()
        assert await bot.ended() == 0
        await eventually(lambda: bot.text.count("Stopped") >= 2, timeout=30)
    assert handled(bot) == ["after", "before"]
    assert "Cut off" not in bot.text
    assert "Traceback" not in bot.text
