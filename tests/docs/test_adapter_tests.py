"""The page on testing adapters: its tests pass, and the one that fails tells what is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing.wire.faults import PLACES
from tests.docs.commands import plain_environment
from tests.docs.trying import Reader
from tests.support.documents import CHINESE, DOCS, Document

PAGE = DOCS / "adapter-tests.md"

SECONDS = 400
"""For bots that start one after the other, on a machine that has other things to do."""

pytestmark = pytest.mark.timeout(SECONDS + 20)


def run(directory: Path, command: str, *more: str, code: int = 0) -> str:
    """Run a command of the page, which is a pytest, with more arguments; return what it prints."""
    program, *arguments = command.split()
    assert program == ".venv/bin/pytest"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, *more],
        cwd=directory,
        env=plain_environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert ran.returncode == code, ran.stdout
    return ran.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """Somebody who has saved the page's files."""
    made = Reader(PAGE, tmp_path)
    for link in ("examples", ".venv"):
        (tmp_path / link).unlink()
    return made


def summary(printed: str) -> str:
    """Return how many tests have passed and failed."""
    (found,) = re.findall(r"^=+ (.+) in .* =+$", printed, re.MULTILINE)
    return str(found)


def test_the_first_test_passes_on_all_drivers(reader: Reader) -> None:
    printed = run(reader.directory, reader.command("pytest test_webhook.py"))
    header, shown = reader.page.code("text", "3 passed").splitlines()
    assert header in printed.splitlines()
    assert summary(printed) == shown


def test_the_webhook_has_three_lines_and_the_reconnect_five(reader: Reader) -> None:
    for file, lines in (("test_webhook.py", 3), ("test_reconnect.py", 5)):
        body = reader.page.files[file].rpartition("async def test_")[2].partition(":\n")[2]
        assert len(body.splitlines()) == lines


@pytest.mark.parametrize("driver", [*testing.STOCK, testing.OURS])
def test_the_other_tests_pass(reader: Reader, driver: str) -> None:
    files = ["test_reconnect.py", "test_reverse.py", "test_polling.py", "test_standalone.py"]
    printed = run(
        reader.directory, ".venv/bin/pytest", f"--nonebot-drivers={driver}", "-n", "2", *files
    )
    assert summary(printed) == "4 passed"


def test_the_program_without_pytest_runs(reader: Reader) -> None:
    code = reader.page.code("python", "async def main()")
    assert "BotProcess(" in code
    program = f"import asyncio\n{code}\n\nasyncio.run(main())\nprint('it has run')\n"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=reader.directory,
        env=plain_environment(reader.directory),
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert ran.stdout == "it has run\n", ran.stderr


def plain(line: str) -> str:
    """Take out what is different each time: times, dates and ports."""
    line = re.sub(r"^E( {3}|$)", "", line).rstrip()
    line = re.sub(r"^ *\d+\.\d{3} ", "SECONDS ", line)
    line = re.sub(r"\d\d-\d\d \d\d:\d\d:\d\d", "DATE", line)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", line)


def test_the_failure_tells_what_is_shown(reader: Reader) -> None:
    """But for the order in which the platform and the bot did something at the same time."""
    printed = run(reader.directory, reader.command("test_loud.py"), code=1)
    told = [plain(line).removeprefix("    ") for line in printed.splitlines()]
    told += [plain(line).strip() for line in printed.splitlines()]
    told += [plain(line) for line in printed.splitlines()]
    shown = reader.page.code("text", "NothingCame").splitlines()
    assert len(shown) > 15
    missing = [line for line in shown if not any(plain(line) in each for each in told)]
    assert not missing, printed
    assert summary(printed) == "1 failed"


def test_a_test_of_the_suite_passes_and_one_is_known_to_fail(reader: Reader) -> None:
    printed = run(
        reader.directory,
        reader.command("test_suite.py"),
        "-k",
        "test_an_event or wrong_credentials or garbage",
    )
    assert summary(printed) == "2 passed, 16 deselected, 1 xfailed"


def test_the_suite_has_as_many_tests_as_are_shown(reader: Reader) -> None:
    passed, failed = map(int, re.findall(r"\d+", reader.page.code("text", "xfailed")))
    collected = run(reader.directory, reader.command("test_suite.py"), "--collect-only", "-q")
    assert collected.count("::TestWebhook::test_") == passed + failed


@pytest.mark.parametrize(("page", "yes"), [(PAGE, "yes"), (CHINESE / PAGE.name, "是")])
def test_the_table_of_faults_is_where_they_strike(page: Path, yes: str) -> None:
    shown = {}
    for name, _, *places in Document(page).rows(r"`[A-Z]\w+\(.*\)`"):
        assert len(places) == len(testing.Place)
        fault = getattr(testing, name.strip("`").partition("(")[0])
        shown[fault] = {
            place for place, cell in zip(testing.Place, places, strict=True) if cell == yes
        }
    assert shown == PLACES


@pytest.mark.parametrize("page", [PAGE, CHINESE / PAGE.name])
def test_the_fixtures_are_those_of_the_plugin(page: Path) -> None:
    named = {row[0].strip("`") for row in Document(page).rows("`nonebot_.*`")}
    text = Path(testing.__file__).with_name("plugin.py").read_text("utf-8")
    assert named == set(re.findall(r"^ *def (nonebot_\w+)\(", text, re.MULTILINE))
