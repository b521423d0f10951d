"""The page on logging: each of its programs writes what the page says, in each place."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp.log.naming import FIELDS
from tests.docs.commands import Command, needs_program, plain_environment
from tests.docs.deployed import port_of, post
from tests.support import absent
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills there")

PAGE = Document(ROOT / "docs" / "logging.md")
BOT, OTHER = "12345", "67890"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def started(directory: Path, program: str, **environment: str) -> Command:
    """Start a program of the page in its own process."""
    PAGE.write_files(directory)
    variables = {"HOST": "127.0.0.1", "PORT": "0", **environment}
    return Command(directory, [sys.executable, program], **variables)


async def visit(client: aiohttp.ClientSession, bot: Command, port: int, *more: str) -> None:
    """Let two bots connect and leave, and be refused once."""
    for self_id in (BOT, OTHER):
        url = f"ws://127.0.0.1:{port}/my/ws"
        async with client.ws_connect(url, headers={"X-Self-ID": self_id}):
            await bot.shows(f"Bot {self_id} of my connected")
        await bot.shows(f"Bot {self_id} of my disconnected")
    assert await post(client, f"http://127.0.0.1:{port}/other/") == 404
    await bot.shows("Refused")


async def ended(bot: Command, code: int = 0) -> str:
    """Stop a bot, and return what it has written."""
    bot.stop()
    assert await bot.ended() == code, bot.output
    return bot.output


def of_loguru(output: str) -> list[dict[str, Any]]:
    """Return the fields of loguru's lines of JSON, in the shape of those of the page's own."""
    records = [json.loads(line)["record"] for line in output.splitlines()]
    return [
        {
            "level": each["level"]["name"],
            "module": each["name"],
            "text": each["message"],
            **each["extra"],
        }
        for each in records
    ]


def of_logging(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines()]
    assert all(line.pop("time") for line in lines)
    return lines


def about(records: list[dict[str, Any]], text: str) -> dict[str, str]:
    """Return the extra fields of the only record with a text."""
    (found,) = (record for record in records if text in record["text"])
    return {name: found[name] for name in FIELDS if name in found}


def check_json(records: list[dict[str, Any]]) -> None:
    """Check what a visit has written as JSON."""
    whose = {"adapter": "my", "bot": BOT, "peer": "127.0.0.1"}
    assert about(records, f"Bot {BOT} of my connected") == whose
    assert about(records, f"Bot {OTHER} of my disconnected") == {**whose, "bot": OTHER}
    assert about(records, "no such adapter") == {"peer": "127.0.0.1"}
    assert about(records, "Listening on") == {}
    assert {record["level"] for record in records} == {"INFO", "WARNING"}


def check_files(directory: Path) -> None:
    """Check the file of everything, and that of one bot."""
    everything = (directory / "bot.log").read_text("utf-8")
    assert f"Bot {OTHER} of my connected" in everything
    assert "Registered adapter my" not in everything
    one = (directory / "12345.log").read_text("utf-8").splitlines()
    assert [re.findall("connected|disconnected", line) for line in one] == [
        ["connected"],
        ["disconnected"],
    ]
    assert all(BOT in line for line in one)


PROGRAMS = {"bot": of_loguru, "site_bot": of_logging}


@pytest.mark.parametrize("program", PROGRAMS)
async def test_json_lines_a_file_and_a_file_of_one_bot(
    tmp_path: Path, client: aiohttp.ClientSession, program: str
) -> None:
    with started(tmp_path, f"{program}.py", AIOHTTP_ACCESS_LOG="true") as bot:
        await visit(client, bot, await port_of(bot))
        records = PROGRAMS[program](await ended(bot))
    check_json(records)
    assert about(records, "POST /other/ 404") == {"peer": "127.0.0.1"}
    check_files(tmp_path)
    if program == "site_bot":
        shown = json.loads(PAGE.code("json"))
        del shown["time"]
        assert shown in records


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_level_for_each_module(tmp_path: Path, program: str) -> None:
    """A connection that fails for the third time is one of the details."""
    start = "if __name__ =="
    code = PAGE.files[f"{program}.py"].replace(start, FORWARD + start)
    (tmp_path / "forward.py").write_text(code, "utf-8")
    settings = {"URL": f"ws://127.0.0.1:{free_port()}/", "AIOHTTP_BACKOFF_MAX": "0.1"}
    with started(tmp_path, "forward.py", **settings) as bot:
        await bot.shows("failed")
        file = tmp_path / "bot.log"
        await eventually(lambda: "failed 3 times" in file.read_text("utf-8"))
        output = await ended(bot)
    assert "DEBUG" in file.read_text("utf-8")
    assert {each["level"] for each in PROGRAMS[program](output)} == {"INFO", "WARNING"}
    assert "failed" in (tmp_path / "12345.log").read_text("utf-8")


FORWARD = """
import os

from nonebot_aiohttp import WebSocketSetup

url = os.environ["URL"]
driver.setup_websocket(WebSocketSetup("my", "12345", url, reconnect_interval=0.1))
"""


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
async def test_under_servers_of_others(
    tmp_path: Path, client: aiohttp.ClientSession, program: str, server: str
) -> None:
    (command,) = (
        line for line in PAGE.code("sh", "gunicorn").splitlines() if line.startswith(server)
    )
    port = free_port()
    words = [word.replace("8080", str(port)) for word in shlex.split(command)]
    words = [word.replace("bot:", f"{program}:") for word in words]
    if server == "gunicorn":
        # Two workers would write to the files by turns, and a visit needs one of them.
        words[words.index("-w") + 1] = "1"
    PAGE.write_files(tmp_path)
    with Command(tmp_path, [sys.executable, "-m", *words]) as bot:
        await bot.shows("Booting worker" if server == "gunicorn" else "running on")
        await eventually(lambda: is_open(port))
        await visit(client, bot, port)
        # uvicorn raises the signal again when it has stopped.
        output = await ended(bot, 0 if server == "gunicorn" else -signal.SIGTERM)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    records = PROGRAMS[program]("\n".join(lines))
    assert about(records, f"Bot {BOT} of my connected")["bot"] == BOT
    check_files(tmp_path)


def is_open(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@needs_program("jq", "--version")
async def test_jq_finds_warnings_and_a_bot(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    with started(tmp_path, "bot.py") as bot:
        await visit(client, bot, await port_of(bot))
        output = await ended(bot)
    found = []
    for command in PAGE.code("sh", "jq").splitlines():
        words = shlex.split(command)
        ran = await asyncio.to_thread(
            subprocess.run,
            words[words.index("jq") :],
            input=output,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(ran.stdout)
    warnings, one = found
    assert re.fullmatch(r"Refused .* with 404: .*\n", warnings)
    assert re.fullmatch(rf"Bot {BOT} of my connected .*\nBot {BOT} of my disconnected .*\n", one)


def test_lines_with_fields(tmp_path: Path) -> None:
    PAGE.write_files(tmp_path)
    code = (
        "import readable; from loguru import logger;"
        " logger.warning('late', bot='{time} <red>'); logger.info('{}', '{x}')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=plain_environment(tmp_path),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    first, second = ran.stderr.splitlines()
    assert first.endswith("WARNING __main__: late bot={time} <red>")
    assert second.endswith("INFO __main__: {x}")


missed = absent.missing("nonebot2", "nonebot-adapter-onebot")
needs_nonebot2 = pytest.mark.absent(absent.not_installed(missed)) if missed else pytestmark


@needs_nonebot2
async def test_under_nonebot2(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    PAGE.write_files(tmp_path)
    code = PAGE.files["nonebot_bot.py"].replace("    nonebot.run()", FROM_NONEBOT)
    (tmp_path / "more.py").write_text(code, "utf-8")
    # NoneBot takes no port 0.
    with started(tmp_path, "more.py", PORT=str(free_port())) as bot:
        url = f"http://127.0.0.1:{await port_of(bot)}/onebot/v11/"
        async with client.post(url) as answer:
            assert answer.status == 400
        await bot.shows("Refused")
        records = of_loguru(await ended(bot))
    whose = {"adapter": "OneBot V11", "peer": "127.0.0.1"}
    assert about(records, "Refused a webhook of OneBot V11") == whose
    assert {record["module"] for record in records} == {"nonebot", "nonebot_aiohttp", "echo"}
    assert records[-1]["nonebot_log_level"] == "DEBUG"
    assert "DEBUG" not in {record["level"] for record in records}
    lines = (tmp_path / "bot.log").read_text("utf-8").splitlines()
    assert [line for line in lines if "Refused a webhook" in line]
    assert [line for line in lines if "it does not need app=" in line]
    assert not [line for line in lines if "quiet" in line or ("DEBUG" in line and "Loaded" in line)]


FROM_NONEBOT = """\
    eval("logger.info('quiet')", {"__name__": "nonebot.plugins.echo", "logger": logger})
    nonebot.run(app="bot:app")
"""
