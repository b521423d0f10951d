"""The driver's settings and its log under NoneBot2: what a wrong setting ends in, and LOG_LEVEL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nonebot.config import Config

KEEPS_FILES = hasattr(Config(_env_file=None), "_env_file")
"""Whether this NoneBot2 can tell from which files its settings come."""

BOT = """
import sys
import nonebot
from loguru import logger

logger.add(sys.stderr, level=0, format="own {level} {name} {message}")
nonebot.init()
driver = nonebot.get_driver()
driver.on_startup(driver.exit)
if __name__ == "__main__":
    nonebot.run(port=0)
"""


def run(directory: Path, dotenv: str) -> subprocess.CompletedProcess[str]:
    """Run a bot with its dotenv files until it ends."""
    (directory / "bot.py").write_text(BOT, encoding="utf-8")
    (directory / ".env").write_text("DRIVER=nonebot_aiohttp.nonebot2\n", encoding="utf-8")
    (directory / ".env.prod").write_text(dotenv, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "bot.py"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.mark.parametrize(
    ("value", "shown"), [("30s", "'30s'"), ("-1", "-1")], ids=["not a number", "below 0"]
)
def test_a_wrong_setting_ends_in_one_line(value: str, shown: str, tmp_path: Path) -> None:
    ran = run(tmp_path, f"AIOHTTP_HEARTBEAT={value}\n")
    assert ran.returncode == 1
    wanted = "is not a number of seconds above 0, or none: write"
    if KEEPS_FILES:
        said = f"AIOHTTP_HEARTBEAT={value} in .env.prod {wanted} AIOHTTP_HEARTBEAT=30"
    else:
        said = f"aiohttp_heartbeat={shown} {wanted} aiohttp_heartbeat=30"
    assert ran.stderr.splitlines()[-1] == f"nonebot_aiohttp.exceptions.ValidationError: {said}"
    assert "pydantic" not in ran.stderr


@pytest.mark.promise("data: a setting that is empty counts as not set")
def test_an_empty_setting_counts_as_not_set(tmp_path: Path) -> None:
    ran = run(tmp_path, "AIOHTTP_HEARTBEAT=\nAIOHTTP_DUPLICATE_BOT=\nAIOHTTP_ALLOWED_ORIGINS=\n")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.promise("life: LOG_LEVEL filters the package's own records for every sink")
@pytest.mark.parametrize(
    ("level", "expected"), [("DEBUG", True), ("INFO", True), ("WARNING", False)]
)
def test_the_level_of_the_log_holds_for_every_sink(
    level: str, expected: bool, tmp_path: Path
) -> None:
    ran = run(tmp_path, f"LOG_LEVEL={level}\n")
    assert ran.returncode == 0, ran.stderr
    assert ("own INFO nonebot_aiohttp" in ran.stderr) is expected
    # A warning says besides that the bot has no adapter.
    assert ("[INFO] nonebot_aiohttp" in ran.stdout) is expected
