"""The bot of the page for operators, on ports of its own."""

from __future__ import annotations

import shlex
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.docs.commands import Command, plain_environment
from tests.docs.deployed import port_of
from tests.process.programs import PATIENCE
from tests.support.documents import DOCS, Document
from tests.support.ports import free_port

PAGE = Document(DOCS / "operations.md")
OPERATORS = r"Listening for operators on http://[\d.]+:(\d+)"
TOKEN = "a-long-random-text"


def as_operator(token: str = TOKEN) -> dict[str, str]:
    """Make the header by which a browser shows the token."""
    return {"Authorization": f"Basic {b64encode(f'anything:{token}'.encode()).decode()}"}


def write_files(directory: Path, **settings: str) -> None:
    """Write the page's files, with these settings in place of the ports."""
    PAGE.write_files(directory)
    assert f"AIOHTTP_OPS_TOKEN={TOKEN}" in PAGE.files[".env"].splitlines()
    given = {"aiohttp_ops_token": TOKEN, **settings}
    lines = (f"{name.upper()}={value}\n" for name, value in given.items())
    (directory / ".env").write_text("".join(lines), "utf-8")


@dataclass
class Shown:
    """A bot of the page that runs, and the ports that stand for those of the page."""

    bot: Command
    directory: Path
    port: int
    ops_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ops_port}"

    def run(self, command: str) -> str:
        """Run commands of the page with the ports that we have; return what they print."""
        line = command.replace("9100", str(self.ops_port))
        python = f"{shlex.quote(sys.executable)} -m json.tool"
        ran = subprocess.run(
            ["sh", "-c", line.replace("python -m json.tool", python)],
            cwd=self.directory,
            env=plain_environment(self.directory),
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        return ran.stdout


@asynccontextmanager
async def shown(directory: Path, **settings: str) -> AsyncIterator[Shown]:
    """Run the page's bot."""
    port = str(free_port())
    write_files(directory, **{"aiohttp_ops_port": port, **settings})
    with Command(directory, [sys.executable, "bot.py"], HOST="127.0.0.1", PORT="0") as bot:
        await bot.shows(OPERATORS)
        yield Shown(bot, directory, await port_of(bot), int(port))
        bot.stop()
        assert await bot.ended() == 0


@asynccontextmanager
async def connected(client: aiohttp.ClientSession, there: Shown) -> AsyncIterator[None]:
    """Connect bot 12345, which gets one message."""
    url = f"ws://127.0.0.1:{there.port}/my/ws"
    async with client.ws_connect(url, headers={"X-Self-ID": "12345"}) as websocket:
        await websocket.send_json({"from": "10001", "text": "ping"})
        await websocket.receive()
        yield
