"""The page on the log: a bot writes what the page says."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.docs import deployed
from tests.docs.deployed import port_of, post, running_bot
from tests.support.documents import ROOT, Document

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills there")

PAGE = Document(ROOT / "docs" / "watching.md")
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
LINE = rf"{TIME} (?P<level>[A-Z]+) +(?P<module>nonebot_aiohttp[\w.]*): (?P<text>.*)"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def lines_of(output: str) -> list[tuple[str, str]]:
    """Return module and text of the lines in the driver's own format."""
    found = (re.fullmatch(LINE, line) for line in output.splitlines())
    return [(each["module"], each["text"]) for each in found if each]


async def test_the_lines_of_a_run_are_those_of_the_page(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    deployed.write_bot(tmp_path)
    async with running_bot(tmp_path, LOG_LEVEL="INFO") as bot:
        port = await port_of(bot)
        assert await post(client, f"http://127.0.0.1:{port}/my/") == 200
        url, headers = f"ws://127.0.0.1:{port}/my/ws", {"X-Self-ID": "12345"}
        async with client.ws_connect(url, headers=headers):
            await bot.shows("connected")
        await bot.shows("disconnected")
        bot.stop()
        assert await bot.ended() == 0
    shown = lines_of(PAGE.code("text", "Listening"))
    assert len(shown) == len(PAGE.code("text", "Listening").splitlines())
    logged = [(module, text.replace(str(port), "8080")) for module, text in lines_of(bot.output)]
    # The line of the end has the time and the close code.
    assert [line for line in logged if "disconnected" not in line[1]] == shown


async def test_the_access_log_has_the_format_of_the_page(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    deployed.write_bot(tmp_path)
    async with running_bot(tmp_path, AIOHTTP_ACCESS_LOG="true") as bot:
        port = await port_of(bot)
        assert await post(client, f"http://127.0.0.1:{port}/my/?token=secret") == 200
        line = (await bot.shows(r"nonebot_aiohttp\.access: (.*)|access.*: (127.*)"))[0]
    (shown,) = PAGE.code("text", "bytes").splitlines()
    pattern = re.escape(shown).replace(r"0\.001", r"\d+\.\d+").replace("111", r"\d+")
    assert re.search(pattern, line)
    assert "secret" not in bot.output


async def test_a_question_to_no_path_gets_404_and_no_line(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    (command,) = re.findall(r"`(curl .*?)` prints 404", PAGE.prose)
    deployed.write_bot(tmp_path)
    async with running_bot(tmp_path) as bot:
        port = await port_of(bot)
        url = next(word for word in shlex.split(command) if word.startswith("http"))
        for _ in range(2):
            async with client.get(url.replace("8080", str(port))) as got:
                assert got.status == 404
        bot.stop()
        assert await bot.ended() == 0
    assert "404" not in bot.output
