"""The page on NoneBot2: its lines of ``.env``, and the errors that wrong ones raise."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT, Document
from tests.support.ports import free_port
from tests.support.waiting import eventually

from ..support.process import PATIENCE

PAGE = Document(ROOT / "docs" / "nonebot2.md")
ERRORS = Document(ROOT / "docs" / "errors.md")
LINES = [row[0].strip("`") for row in PAGE.rows(r"`DRIVER=.*")]

BOT = """
import nonebot
from nonebot.adapters.onebot.v11 import Adapter

nonebot.init()
nonebot.get_driver().register_adapter(Adapter)
nonebot.load_builtin_plugins("echo")

if __name__ == "__main__":
    nonebot.run({arguments})
"""


def start(folder: Path, line: str, arguments: str = "") -> subprocess.Popen[bytes]:
    """Start a bot as nb-cli writes it, with a line in its ``.env``."""
    (folder / "bot.py").write_text(BOT.format(arguments=arguments))
    (folder / ".env").write_text(f"{line}\nPORT={free_port()}\nLOG_LEVEL=DEBUG\n")
    kept = {name: value for name, value in os.environ.items() if name not in ("DRIVER", "PORT")}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "bot.py"], cwd=folder, env=kept, stderr=log, stdout=log
        )


def log_of(folder: Path) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", (folder / "log").read_text("utf-8", "replace"))


async def shows(folder: Path, pattern: str) -> None:
    await eventually(lambda: re.search(pattern, log_of(folder)), PATIENCE, pattern)


async def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: process.poll() is not None, PATIENCE, "the end")
    return int(process.returncode)


def test_the_page_shows_one_line_to_change() -> None:
    assert f"\n{LINES[0]}\n" in PAGE.text
    assert len(LINES) == 3


@pytest.mark.parametrize("line", LINES)
async def test_the_lines_of_the_table_start_a_bot(tmp_path: Path, line: str) -> None:
    process = start(tmp_path, line)
    try:
        own, server = line == LINES[0], "~none" not in line
        started = r"\[INFO\] nonebot_aiohttp \| Listening on http://127\.0\.0\.1:\d+"
        await shows(tmp_path, started if own else "startup complete")
        assert ("running on http" in log_of(tmp_path)) is (server and not own)
        code = await stop(process)
        assert not own or code == 0
        assert "Traceback" not in log_of(tmp_path)
    finally:
        process.kill()
        process.wait()


async def test_the_argument_of_uvicorn_is_ignored(tmp_path: Path) -> None:
    process = start(tmp_path, LINES[0], 'app="__mp_main__:app"')
    try:
        await shows(tmp_path, r"Listening on")
        assert await stop(process) == 0
    finally:
        process.kill()
        process.wait()


WRONG = {
    "~nonebot_aiohttp.nonebot2": "No module named 'nonebot.drivers.nonebot_aiohttp'",
    "~nonebot_aiohttp": "No module named 'nonebot.drivers.nonebot_aiohttp'",
}


@pytest.mark.parametrize("driver", WRONG)
async def test_a_wrong_line_raises_what_the_page_of_errors_explains(
    tmp_path: Path, driver: str
) -> None:
    process = start(tmp_path, f"DRIVER={driver}")
    assert process.wait(PATIENCE) == 1
    error = WRONG[driver]
    assert log_of(tmp_path).splitlines()[-1] == f"ModuleNotFoundError: {error}"
    (row,) = (row for row in ERRORS.rows(".*") if error in row[0])
    assert f"`{LINES[0]}`" in row[1]
