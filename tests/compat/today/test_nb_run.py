"""Ctrl+C at a terminal, as most bots are stopped: under ``nb run``, and without.

Trap: the terminal signals the whole group, and nb-cli then its child besides.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from nonebot_aiohttp.hosts.signals import FORCING_PAUSE

from ..support.choice import OURS, Candidate
from ..support.network import eventually
from ..support.onebot import message_event, platform
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
        """Wait for a text."""
        await eventually(lambda: text in self.text, text, 30)

    def press_ctrl_c(self) -> None:
        """Press Ctrl+C: the terminal sends SIGINT to all processes in the foreground."""
        os.write(self._terminal, b"\x03")

    def close(self) -> None:
        """Close it; what is still at work gets SIGHUP."""
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)
        print(self.text)


@asynccontextmanager
async def in_terminal(command: list[str], bot: Bot, folder: Path) -> AsyncIterator[Terminal]:
    """Run a bot in a terminal."""
    (folder / "pyproject.toml").write_text(PROJECT)
    program = BOTS / "events_bot.py"
    (folder / "bot.py").write_text(
        f'import runpy\nrunpy.run_path({str(program)!r}, run_name="__main__")\n'
    )
    terminal = Terminal(command, bot, folder)
    try:
        await terminal.shows("Listening on")
        yield terminal
    finally:
        terminal.close()
        bot.kill()


COMMANDS = {"nb run": [sys.executable, "-m", "nb_cli", "run"], "python": [sys.executable, "bot.py"]}


@pytest.mark.promise("life: any other further signal is the same request to stop")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
async def test_ctrl_c_is_one_orderly_stop(command: list[str], tmp_path: Path) -> None:
    async with platform() as there, aiohttp.ClientSession() as client:
        bot = Bot("events_bot", Candidate(OURS), tmp_path, **options(there, work_seconds=1))
        async with in_terminal(command, bot, tmp_path) as terminal:
            for number in range(3):
                assert await post(client, bot, message_event(f"/work {number}")) == 204
            await bot.note("begun", 3)
            terminal.press_ctrl_c()
            assert await bot.ended() == 0
            await terminal.shows("Stopped")
    assert handled(bot) == ["0", "1", "2"]
    assert "Stopping, up to 20 s for what runs; Ctrl+C again cuts it off" in terminal.text
    for wrong in ("Forced", "has failed", "Cut off", "Traceback"):
        assert wrong not in terminal.text


@pytest.mark.promise("life: a SIGINT a second after the first signal cuts off what runs")
async def test_a_second_ctrl_c_cuts_off_what_runs(tmp_path: Path) -> None:
    """Also a thread, in which NoneBot runs each handler that is sync."""
    async with platform() as there, aiohttp.ClientSession() as client:
        bot = Bot("events_bot", Candidate(OURS), tmp_path, **options(there))
        async with in_terminal(COMMANDS["python"], bot, tmp_path) as terminal:
            assert await post(client, bot, message_event("/block thread")) == 204
            await bot.note("begun")
            terminal.press_ctrl_c()
            pressed = time.monotonic()
            await terminal.shows("Waiting for 1 event(s) in flight")
            await eventually(lambda: time.monotonic() > pressed + FORCING_PAUSE + 0.2, "a second")
            terminal.press_ctrl_c()
            pressed = time.monotonic()
            assert await bot.ended() == 128 + signal.SIGINT
            # A second, on a machine that may be busy; the thread takes ten minutes.
            assert time.monotonic() - pressed < 10
            await terminal.shows("Forced to end by a second Ctrl+C")
    assert terminal.text.count("Cut off") == 1
    assert "has failed" not in terminal.text
