"""The page on adapters: its package passes its own tests, and its bot answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.commands import plain_environment
from tests.docs.trying import LISTENING, Reader, needs_curl
from tests.process.programs import PATIENCE
from tests.support.documents import DOCS

PAGE = DOCS / "adapter.md"


def run(directory: Path, *arguments: str) -> str:
    """Run a module of Python as the page does; return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=directory,
        env=plain_environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=2 * PATIENCE,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def package(directory: Path) -> Reader:
    """Write the page's package."""
    reader = Reader(PAGE, directory)
    (directory / "pigeon" / "py.typed").touch()
    for link in ("examples", ".venv"):
        (directory / link).unlink()
    return reader


def test_the_package_passes_its_own_tests(tmp_path: Path) -> None:
    reader = package(tmp_path)
    printed = run(tmp_path, "pytest", "-p", "no:cacheprovider")
    shown, _ = reader.page.code("text", "passed").splitlines()
    assert re.search(rf"={shown} in |= {shown}", printed), printed


def test_the_package_passes_mypy_strict(tmp_path: Path) -> None:
    reader = package(tmp_path)
    assert "strict = true" in reader.page.files["pyproject.toml"]
    _, shown = reader.page.code("text", "passed").splitlines()
    assert shown in run(tmp_path, "mypy")


@needs_curl
async def test_the_bot_takes_a_signed_webhook(tmp_path: Path) -> None:
    reader = Reader(PAGE, tmp_path)
    with reader.starts(reader.command("python bot.py")) as bot:
        await bot.shows(LISTENING)
        answer = reader.runs(reader.page.code("sh", "curl "))
        assert answer.startswith(reader.page.code("text", "204"))
        for text in re.findall(r"`(Bot 42 calls [^`]*)`", reader.page.prose):
            await bot.shows(text)
        await bot.shows("127.0.0.1:9000")
        bot.stop()
        assert await bot.ended() == 0


async def test_a_setting_that_is_missing_is_named(tmp_path: Path) -> None:
    reader = Reader(PAGE, tmp_path)
    (said,) = re.findall(r"`(PIGEON_SECRET is not set[^`]*)`", reader.page.prose)
    settings = reader.page.files[".env"].splitlines()
    kept = [line for line in settings if not line.startswith("PIGEON_SECRET")]
    (tmp_path / ".env").write_text("\n".join(kept), "utf-8")
    with reader.starts("python bot.py") as bot:
        assert await bot.ended() == 1
        assert said in bot.output


def test_the_tox_file_has_the_environments_and_the_commands_of_the_page(tmp_path: Path) -> None:
    files = package(tmp_path).page.files
    assert "commands = pytest" in files["tox.ini"]
    assert "commands = mypy" in files["tox.ini"]
