"""The examples, run in processes as the READMEs tell a newcomer to run them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import pytest

from tests.process.programs import PATIENCE, PythonProcess
from tests.support.documents import DOCS, READMES, ROOT, Document
from tests.support.ports import free_port
from tests.support.waiting import within

TOKEN = "token-of-the-test"
MESSAGE = {"post_type": "message", "message_type": "private", "user_id": 7, "message": "/echo 早"}


@contextmanager
def running(directory: Path, *arguments: str, **environment: str) -> Iterator[PythonProcess]:
    """Run a program that listens on a port of its own, until the end of the context."""
    port = str(free_port())
    path = os.pathsep.join([str(directory), str(ROOT)])
    settings = {"HOST": "127.0.0.1", "PORT": port, "PYTHONPATH": path, **environment}
    command = [argument.replace("{port}", port) for argument in arguments]
    program = PythonProcess(directory, command, settings, directory)
    try:
        assert program.port == int(port)
        yield program
    finally:
        program.kill()


def example(name: str) -> list[str]:
    """Make the arguments of Python that run an example with warnings as errors."""
    return ["-W", "error", str(ROOT / "examples" / name)]


def assert_ends(program: PythonProcess) -> None:
    """Assert that a program that was told to stop ends, with everything closed."""
    assert program.process.wait(PATIENCE) == 0
    for wrong in ("Traceback", "Exception ignored"):
        assert wrong not in program.log, program.log


@pytest.mark.parametrize("page", [*READMES, DOCS / "start" / "adapters.md"], ids=str)
def test_what_a_page_says_to_try_is_answered_as_it_says(tmp_path: Path, page: Path) -> None:
    document = Document(page)
    client = tmp_path / "client.py"
    with running(tmp_path, *example("onebot_echo.py")) as bot:
        path, name, value, body = curl_of(document)
        request = Request(f"http://127.0.0.1:{bot.port}{path}", body.encode(), {name: value})
        with urlopen(request) as answer:
            assert f"HTTP/1.1 {answer.status} {answer.reason}\n" == document.code("text", "204")
        bot.output_matching("Bot 12345 cannot answer: API_ROOT has no URL for bot 12345")

        code = document.files["client.py"].replace(":8080/", f":{bot.port}/")
        client.write_text(code, encoding="utf-8")
        printed = subprocess.run([sys.executable, str(client)], **CAPTURED).stdout
        assert printed == document.code("text", "{'action'")
        bot.stop()
        assert_ends(bot)


async def test_the_settings_come_from_a_dotenv_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ACCESS_TOKEN=of-the-file\nSECRET=\n")
    with running(tmp_path, *example("onebot_echo.py"), ACCESS_TOKEN=TOKEN, SECRET="") as bot:
        assert await status_of(bot, "/cqhttp/") == 401
        assert await status_of(bot, f"/cqhttp/?access_token={TOKEN}") == 204
        bot.stop()
        assert_ends(bot)


async def test_the_site_has_its_own_page_and_the_bot(tmp_path: Path) -> None:
    with running(tmp_path, *example("embedded.py")) as site:
        async with connected(site, "/bot/cqhttp/ws") as (session, socket):
            await socket.send_json(MESSAGE)
            call = await within(socket.receive_json())
            await socket.send_json({"status": "ok", "data": None, "echo": call["echo"]})
            assert call["params"]["message"] == "早"
            async with session.get("/") as page:
                assert await page.text() == "1 bot(s) connected: 1\n"
            site.stop()
            assert (await within(socket.receive())).data == aiohttp.WSCloseCode.GOING_AWAY
        assert_ends(site)


CAPTURED: Any = {"check": True, "stdout": subprocess.PIPE, "encoding": "utf-8", "timeout": PATIENCE}


def curl_of(document: Document) -> list[str]:
    """Read the path, the header's name and value, and the body from the command."""
    command, option, url, *rest = shlex.split(document.code("sh", "curl -i http"))
    assert (command, option, rest[0], rest[2]) == ("curl", "-i", "-H", "-d")
    assert url.startswith("http://127.0.0.1:8080/")
    name, value = rest[1].split(": ")
    return [url.removeprefix("http://127.0.0.1:8080"), name, value, rest[3]]


async def status_of(bot: PythonProcess, target: str) -> int:
    async with session_with(bot) as session, session.post(target, json=MESSAGE) as response:
        return response.status


@asynccontextmanager
async def connected(
    bot: PythonProcess, target: str
) -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]]:
    async with session_with(bot) as session, session.ws_connect(target) as socket:
        yield session, socket


def session_with(bot: PythonProcess) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(f"http://127.0.0.1:{bot.port}", headers={"X-Self-ID": "1"})
