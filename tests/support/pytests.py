"""Runs small suites in a pytest of their own, as the projects of authors of adapters do."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.support import echo_driver

HEAD = """
import asyncio
import urllib.error
import urllib.request
import pytest
from echo_driver import HEADERS, echo_driver
from nonebot_aiohttp import Bot
from nonebot_aiohttp.testing import Platform, UnexpectedRequests, UnusedReplies


def ask(platform, path="/x"):
    try:
        return urllib.request.urlopen(platform.url + path).status
    except urllib.error.HTTPError as answer:
        return answer.code


"""
"""The beginning of a module of tests; `ask` sends a request to the platform."""

CONFTEST = 'pytest_plugins = ["nonebot_aiohttp.testing.plugin"]\n'
"""What loads the fixtures of the kit."""

# Warnings are errors, but for one that asks for a setting of pytest-asyncio.
_OPTIONS = (
    *("-p", "no:cacheprovider", "-p", "no:randomly", "--color=no"),
    *("-W", "error", "-W", "ignore::pytest.PytestDeprecationWarning", "--strict-markers"),
)

_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|xfailed|xpassed|skipped|deselected)\b")


@dataclass(frozen=True)
class Ran:
    """What a run of pytest has written, and its exit code."""

    code: int
    text: str

    @property
    def counts(self) -> dict[str, int]:
        """How many tests there were of each outcome."""
        last = self.text.strip().splitlines()[-1]
        return {what.removesuffix("s"): int(number) for number, what in _COUNT.findall(last)}

    def part(self, test: str) -> str:
        """Return what is shown of the failure of a test."""
        found = re.search(rf"^_+ (?:ERROR at \w+ of )?{re.escape(test)} _+$", self.text, re.M)
        assert found is not None, self.text
        after = r"^(?:_{3,} .+ _{3,}|={3,} .+ ={3,})$"
        return re.split(after, self.text[found.end() :], maxsplit=1, flags=re.M)[0]


class Project:
    """A folder with a conftest that loads the kit, and one module of tests."""

    def __init__(self, folder: Path) -> None:
        """Take an empty folder."""
        self.folder = folder
        self.write("conftest.py", CONFTEST)
        self.write("pytest.ini", "[pytest]\nasyncio_mode = auto\n")
        self.write("echo_driver.py", inspect.getsource(echo_driver))

    def write(self, name: str, text: str) -> Path:
        """Write a file, whose text may be indented."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def write_tests(self, text: str, head: str = HEAD) -> None:
        """Write the module of tests, which may be indented."""
        self.write("test_it.py", head + dedent(text))

    def run(self, *options: str, env: dict[str, str] | None = None, nonebug: bool = False) -> Ran:
        """Run all tests of the folder; nonebug, where it is installed, only if that is wanted."""
        without = () if nonebug else ("-p", "no:nonebug")
        command = [sys.executable, "-m", "pytest", *_OPTIONS, *without, *options]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout + done.stderr)
