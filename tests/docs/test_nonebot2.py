"""The page on NoneBot2: its tables say what is tested, and its lines of ``.env`` start a bot."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from pathlib import Path

import aiohttp
import pydantic
import pytest

from tests.docs.commands import Command
from tests.docs.deployed import https_settings, post
from tests.support import absent
from tests.support.certs import Tls
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port

PAGE = Document(ROOT / "docs" / "nonebot2.md")
ERRORS = Document(ROOT / "docs" / "errors.md")
DISTRIBUTIONS = {
    "Discord": "nonebot-adapter-discord",
    "Feishu": "nonebot-adapter-feishu",
    "GitHub": "nonebot-adapter-github",
    "KOOK (Kaiheila)": "nonebot-adapter-kaiheila",
    "Milky": "nonebot-adapter-milky",
    "OneBot v11": "nonebot-adapter-onebot",
    "OneBot v12": "nonebot-adapter-onebot",
    "QQ": "nonebot-adapter-qq",
    "Satori": "nonebot-adapter-satori",
    "Telegram": "nonebot-adapter-telegram",
    "cqhttp": "nonebot-adapter-cqhttp",
}


def pinned() -> dict[str, set[str]]:
    """Return the versions of each distribution that tox's environments test."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    versions: dict[str, set[str]] = {}
    for name in tox.sections():
        for found in re.finditer(r"^([\w.-]+)(?:\[.*\])?==(\S+)$", tox[name].get("deps", ""), re.M):
            versions.setdefault(found[1], set()).add(found[2])
    return versions


def test_the_adapters_are_tested_in_the_versions_of_the_table() -> None:
    rows, versions = PAGE.table("adapter"), pinned()
    assert {row[0] for row in rows} == set(DISTRIBUTIONS)
    for adapter, version, nonebot, _ in rows:
        assert set(version.split(", ")) == versions[DISTRIBUTIONS[adapter]]
        assert set(nonebot.split(", ")) <= versions["nonebot2"]


def test_the_consoles_are_tested_in_the_versions_of_the_text() -> None:
    found = dict(re.findall(r"`(nonebot-plugin-[\w-]+)`\s+(\d[\d.]*\d)", PAGE.prose))
    assert len(found) == 2
    versions = pinned()
    assert {name: {version} for name, version in found.items()} == {
        name: versions[name] for name in found
    }


def test_the_settings_of_nonebots_fastapi_are_those_that_are_read() -> None:
    source = (ROOT / "nonebot_aiohttp" / "nonebot2" / "plugins_app.py").read_text("utf-8")
    fields = (
        node.target for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AnnAssign)
    )
    read = {name for name in map(ast.unparse, fields) if name.startswith("fastapi_")}
    assert set(re.findall(r"`(fastapi_\w+)`", PAGE.prose)) == read


LINES = [row[0].strip("`") for row in PAGE.rows(r"`DRIVER=.*")]
PYDANTIC_2 = not pydantic.VERSION.startswith("1.")
BOT = Document(ROOT / "docs" / "start" / "nonebot2.md").files["bot.py"]

missed = absent.missing("nonebot2", "nonebot-adapter-onebot", "fastapi")
needs_nonebot2 = (
    pytest.mark.absent(absent.not_installed(missed))
    if missed
    else pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills there")
)


def started(folder: Path, line: str, arguments: str = "") -> Command:
    """Start a bot with a line in its ``.env``, and arguments of ``nonebot.run()``."""
    assert "nonebot.run()" in BOT
    (folder / "bot.py").write_text(BOT.replace("nonebot.run()", f"nonebot.run({arguments})"))
    (folder / ".env").write_text(f"PORT={free_port()}\n{line}\n")
    return Command(folder, [sys.executable, "bot.py"])


def test_the_page_shows_one_line_to_change() -> None:
    assert PAGE.files[".env"] == f"{LINES[0]}\n"
    assert len(LINES) == 3


@needs_nonebot2
@pytest.mark.parametrize("line", LINES)
async def test_the_lines_of_the_table_start_a_bot(tmp_path: Path, line: str) -> None:
    is_own, has_server = line == LINES[0], "~none" not in line
    ours = r"\[INFO\] nonebot_aiohttp \| Listening on http://127\.0\.0\.1:\d+"
    with started(tmp_path, line) as bot:
        await bot.shows(ours if is_own else "startup complete")
        if has_server and not is_own:
            await bot.shows("running on http")
        bot.stop()
        code = await bot.ended()
        assert code == 0 or not is_own
    assert ("unning on http" in bot.output) is (has_server and not is_own)
    assert "Traceback" not in bot.output


@needs_nonebot2
async def test_it_serves_https_with_the_lines_of_the_page_on_deploying(
    tmp_path: Path, tls: Tls
) -> None:
    port = free_port()
    with started(tmp_path, f"{LINES[0]}\n{https_settings(port, tls)}") as bot:
        await bot.shows(f"Listening on https://127.0.0.1:{port}")
        async with aiohttp.ClientSession() as client:
            url = f"https://127.0.0.1:{port}/onebot/v11/"
            assert await post(client, url, b'{"post_type": "meta_event"}', tls) == 204
        bot.stop()
        assert await bot.ended() == 0


@needs_nonebot2
async def test_the_argument_of_uvicorn_is_ignored(tmp_path: Path) -> None:
    with started(tmp_path, LINES[0], 'app="__mp_main__:app"') as bot:
        await bot.shows("Listening on")
        bot.stop()
        assert await bot.ended() == 0


@needs_nonebot2
@pytest.mark.parametrize(
    "driver",
    [
        "~nonebot_aiohttp.nonebot2",
        "~nonebot_aiohttp",
        "nonebot_aiohttp.nonebot",
        "nonebot-aiohttp.nonebot2",
        "NONEBOT_AIOHTTP.NONEBOT2",
        "nonebot_aiohttp.nonebot2+~fastapi",
        "nonebot_aiohttp+~httpx",
    ],
)
async def test_a_wrong_line_raises_what_the_page_of_errors_explains(
    tmp_path: Path, driver: str
) -> None:
    with started(tmp_path, f"DRIVER={driver}") as bot:
        assert await bot.ended() == 1
    error = bot.output.splitlines()[-1]
    (row,) = (row for row in ERRORS.rows(".*") if row[0].strip("`") == error)
    assert f"`{LINES[0]}`" in row[1]


@needs_nonebot2
@pytest.mark.skipif(not PYDANTIC_2, reason="pydantic 1 says it in other words")
async def test_a_wrong_port_raises_what_the_page_of_errors_explains(tmp_path: Path) -> None:
    with started(tmp_path, f"{LINES[0]}\nPORT=abc") as bot:
        assert await bot.ended() == 1
    name, error, _ = bot.output.splitlines()[-3:]
    said = re.sub("input_value=[^,]*", "input_value=...", error.strip())
    (row,) = (row for row in ERRORS.rows(".*") if row[0].strip("`") == said)
    assert f"`{name}`" in row[1]


@needs_nonebot2
async def test_nonebots_own_client_does_not_listen(tmp_path: Path) -> None:
    with started(tmp_path, "DRIVER=~aiohttp") as bot:
        (row,) = (row for row in ERRORS.rows(".*") if "`DRIVER=~aiohttp`" in row[1])
        await bot.shows(re.escape(row[0].split("`")[1]))
        bot.stop()
        await bot.ended()
    assert not re.search("[Ll]istening|unning on", bot.output)
