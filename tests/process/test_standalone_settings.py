"""What users read on the console of a program with wrong settings, and in its first lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BOT = """
from nonebot_aiohttp import Driver, load_config

driver = Driver(*load_config())
if __name__ == "__main__":
    driver.on_startup(driver.exit)
    driver.run(port=0)
"""


def run(
    directory: Path, dotenv: bytes, program: str = BOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program with a dotenv file until it ends; return what it wrote to stderr."""
    (directory / "bot.py").write_text(program, encoding="utf-8")
    (directory / ".env").write_bytes(dotenv)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONUTF8": "1", **variables}
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "bot.py"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.mark.promise("life: all lines of run() have one format, from the first")
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_all_lines_have_one_format(level: str, tmp_path: Path) -> None:
    ran = run(tmp_path, b"AIOHTTP_TEAPOT=3\nAIOHTTP_HEARBEAT=3\n", LOG_LEVEL=level)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stderr.splitlines()
    line = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (DEBUG|INFO|WARNING) +\S+: .+")
    assert [each for each in lines if not line.fullmatch(each)] == []
    assert "aiohttp_hearbeat is unknown and ignored; did you mean aiohttp_heartbeat?" in lines[0]
    assert "aiohttp_teapot is unknown and ignored" in lines[1]
    assert "Listening on" in ran.stderr


def test_what_is_logged_without_a_start_is_logged_at_the_end(tmp_path: Path) -> None:
    program = "from nonebot_aiohttp import Driver, load_config\nDriver(*load_config())\n"
    ran = run(tmp_path, b"AIOHTTP_TEAPOT=3\n", program)
    assert ran.returncode == 0
    assert ran.stderr.count("The setting aiohttp_teapot is unknown and ignored") == 1


@pytest.mark.promise("data: an error names the setting that is wrong, and what to write instead")
@pytest.mark.parametrize(
    ("dotenv", "said"),
    [
        (
            b"PORT=abc",
            ["PORT=abc in .env is not a whole number from 0 to 65535: write PORT=8080"],
        ),
        (
            b"AIOHTTP_ALLOWED_ORIGINS=https://a.b",
            [
                "AIOHTTP_ALLOWED_ORIGINS=https://a.b in .env is not a list of origins in JSON:"
                ' write AIOHTTP_ALLOWED_ORIGINS=["https://a.b"]'
            ],
        ),
        (
            b"HOST=http://h\nSUPERUSERS=123",
            [
                "2 settings are wrong:",
                "HOST=http://h in .env is not an IP address or a name: write HOST=h",
                'SUPERUSERS=123 in .env is not a list of texts in JSON: write SUPERUSERS=["123"]',
            ],
        ),
        (
            "NICKNAME=小明".encode("gbk"),
            [".env is not encoded in UTF-8 (line 1): save it in UTF-8 with your editor"],
        ),
    ],
)
def test_a_wrong_setting_ends_in_a_line_below_the_users(
    dotenv: bytes, said: list[str], tmp_path: Path
) -> None:
    ran = run(tmp_path, dotenv)
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    assert lines[-len(said) :] == [
        f"nonebot_aiohttp.exceptions.ValidationError: {said[0]}",
        *said[1:],
    ]
    assert "driver = Driver(*load_config())" in lines[2]
    assert "pydantic" not in ran.stderr
    assert ran.stderr.count("Traceback") == 1
    assert ran.stderr.count("  File ") <= 3


def test_a_host_may_be_a_name(tmp_path: Path) -> None:
    assert run(tmp_path, b"HOST=localhost\nLOG_LEVEL=INFO\nPORT=\n").returncode == 0
    ran = run(tmp_path, b"HOST=nothing.invalid")
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    assert re.search(
        r"Cannot listen on nothing\.invalid: .+; HOST must be an address of this machine: 127\.0\.0"
        r"\.1, or 0\.0\.0\.0 for all, for example\n",
        ran.stderr,
    )


def test_a_quote_that_is_not_closed_fails_the_start(tmp_path: Path) -> None:
    ran = run(tmp_path, b'ACCESS_TOKEN="s3cret\nPORT=0\n')
    assert ran.returncode == 1
    assert "ACCESS_TOKEN in line 1 of .env has a quote that is not closed" in ran.stderr
    assert "s3cret" not in ran.stderr
