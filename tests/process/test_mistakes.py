"""Mistakes of a first program: what its process says, at whose line, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process.programs import PATIENCE, ROOT

HEAD = """\
import asyncio
import sys
from types import SimpleNamespace

from nonebot_aiohttp import Bot, Driver, HTTPPollingSetup, WebSocketSetup

class MyBot(Bot):
    type = "my"

    @classmethod
    async def check_permission(cls, driver, request):
        return "1", None

    async def handle_message(self, message):
        pass

    async def _call_api(self, api, **data):
        pass

    async def send(self, event, message, **kwargs):
        pass

def make_driver(adapter="my", **settings):
    config = SimpleNamespace(host="127.0.0.1", port=0, **settings)
    driver = Driver(SimpleNamespace(environment="test"), config)
    if adapter:
        driver.register_adapter(adapter, MyBot)
    return driver

"""


@dataclass(frozen=True)
class Ended:
    """A program that has ended: its exit code and what it has written to stderr."""

    code: int
    log: str

    @property
    def last(self) -> str:
        """The last line."""
        return self.log.strip().splitlines()[-1]


def ran(directory: Path, program: str, *arguments: str) -> Ended:
    """Run a program until its end, with all warnings as errors."""
    path = directory / "my_bot.py"
    path.write_text(HEAD + program, encoding="utf-8")
    command = [sys.executable, "-X", "dev", "-W", "error", *(arguments or (str(path),))]
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ended.returncode, ended.stderr)


# A loop that runs already

IN_A_LOOP = """
async def main():
    make_driver().run()

asyncio.run(main())
"""


@pytest.mark.promise("life: run() in a running event loop says to await serve() instead")
def test_run_in_a_running_loop_says_what_to_write(tmp_path: Path) -> None:
    """Trap: 40 lines, and a coroutine that was never awaited."""
    ended = ran(tmp_path, IN_A_LOOP)
    assert ended.code == 1
    assert ended.last.endswith(
        "LifecycleError: run() makes an event loop of its own, but one runs here already: write"
        " `await driver.serve()` instead"
    )
    assert "never awaited" not in ended.log
    assert ended.log.count("nonebot_aiohttp/") == 1
    assert "the direct cause" not in ended.log
    assert "During handling" not in ended.log
