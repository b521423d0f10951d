"""The page on hosts: its programs run the bot, each under its host."""

from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
import pytest

from tests.docs.commands import Command
from tests.docs.deployed import post
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills there")

PAGE = Document(ROOT / "docs" / "hosts.md")
FILES = PAGE.files
SERVERS = [command.split() for command in PAGE.code("sh", "uvicorn").splitlines()]

UP = r"Listening on|[Rr]unning on http"


def write_files(directory: Path, **replaced: str) -> None:
    """Write the page's files, with pieces of the program of the site replaced."""
    PAGE.write_files(directory)
    site = FILES["site_aiohttp.py"]
    for old, new in replaced.items():
        assert old in site
        site = site.replace(old, new)
    (directory / "site_aiohttp.py").write_text(site, "utf-8")


async def serves(directory: Path, arguments: list[str], path: str) -> None:
    """Run a program, send it a webhook, and stop it."""
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in arguments]
    environment = {"HOST": "127.0.0.1", "PORT": str(port)}
    with Command(directory, [sys.executable, *words], **environment) as program:
        await program.shows(UP)
        async with aiohttp.ClientSession() as client:
            assert await post(client, f"http://127.0.0.1:{port}{path}") == 200
        program.stop()
        await program.ended()
        assert "Traceback" not in program.output


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["bot.py"], "/my/"),
        (["site_aiohttp.py"], "/bot/my/"),
        (["-m", *SERVERS[0], "--port", "{port}"], "/my/"),
        (["-m", *SERVERS[1], "-w", "0", "-b", "127.0.0.1:{port}"], "/my/"),
        (["-m", "uvicorn", "site_asgi:app", "--port", "{port}"], "/bot/my/"),
    ],
    ids=["own process", "aiohttp", "uvicorn", "hypercorn", "Starlette"],
)
async def test_it_serves_a_webhook(tmp_path: Path, arguments: list[str], path: str) -> None:
    write_files(tmp_path)
    await serves(tmp_path, arguments, path)


async def test_attach_serves_at_the_root(tmp_path: Path) -> None:
    attached = "driver.attach(site)"
    assert f"`{attached}`" in PAGE.prose
    write_files(tmp_path, **{'site.add_subapp("/bot/", driver.server_app)': attached})
    await serves(tmp_path, ["site_aiohttp.py"], "/my/")
