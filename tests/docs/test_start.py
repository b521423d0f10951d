"""The pages with which one starts: what they say to type gives what they show."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import aiohttp
import pytest

from nonebot_aiohttp import Driver
from tests.docs.trying import LISTENING, Reader, needs_curl
from tests.support.documents import DOCS, READMES, Document
from tests.support.ports import free_port
from tests.support.waiting import within

START = DOCS / "start"
PING, PONG = {"from": "somebody", "text": "ping"}, {"api": "send", "to": "somebody", "text": "pong"}


async def pinged(reader: Reader, path: str) -> object:
    """Send a ping over a WebSocket to the adapter in a page; return what comes back."""
    headers = {"X-Self-ID": "12345"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"ws://127.0.0.1:{reader.port}{path}") as socket,
    ):
        await socket.send_json(PING)
        return await within(socket.receive_json())


@needs_curl
async def test_the_echo_bot_answers_as_the_page_says(tmp_path: Path) -> None:
    reader = Reader(START / "adapters.md", tmp_path)
    with reader.starts(reader.command("onebot_echo.py")) as bot:
        await bot.shows(LISTENING)
        answer = reader.runs(reader.command("curl -i http"))
        assert answer.startswith(reader.page.code("text", "204 No Content").strip())
        (said,) = re.findall(r"`(Bot 12345 cannot answer: [^`]*)`", reader.page.text)
        await bot.shows(re.escape(said))
        assert reader.runs(reader.command("client.py")) == reader.page.code("text", "{'action'")
        bot.stop()
        assert await bot.ended() == 0
    assert "Traceback" not in bot.output


@needs_curl
async def test_a_webhook_is_answered_as_the_page_says(tmp_path: Path) -> None:
    reader = Reader(START / "adapters.md", tmp_path)
    api = f"127.0.0.1:{free_port()}"
    program = tmp_path / "http_api.py"
    program.write_text(program.read_text("utf-8").replace("port=5700", f"port={api[10:]}"), "utf-8")
    settings = reader.page.code("ini").replace("127.0.0.1:5700", api)
    (tmp_path / ".env").write_text(settings, "utf-8")
    (start,) = re.findall(r"`(\S+ examples/onebot_echo\.py)`", reader.page.text)
    with reader.starts(reader.command("python http_api.py")) as there, reader.starts(start) as bot:
        await there.shows(LISTENING)
        await bot.shows(LISTENING)
        reader.runs(reader.command("curl -i http"))
        await there.shows(re.escape(reader.page.code("text", "/send_msg")))
        bot.stop()
        await bot.ended()


@needs_curl
async def test_a_platform_with_token_and_secret_is_let_in_as_the_page_says(tmp_path: Path) -> None:
    reader = Reader(START / "adapters.md", tmp_path)
    rows = [row[0].strip("`") for row in reader.page.table("line")]
    settings = [row for row in rows if row.startswith(("ACCESS_TOKEN", "SECRET"))]
    assert len(settings) == 2 < len(rows) == 4
    (said,) = re.findall(r"`(the access token is missing)`", reader.page.text)
    for given, wanted in ((settings[:1], said), (settings, "X-Signature is missing")):
        (tmp_path / ".env").write_text("\n".join(given), "utf-8")
        with reader.starts(reader.command("onebot_echo.py")) as bot:
            await bot.shows(LISTENING)
            answer = reader.runs(reader.command("curl -i http")).splitlines()
            assert "401" in answer[0]
            assert wanted in answer[-1]
            bot.stop()
            await bot.ended()
    with reader.starts(reader.command("onebot_echo.py")) as bot:
        await bot.shows(LISTENING)
        assert "204" in reader.runs(reader.page.code("sh", "openssl")).splitlines()[0]
        (header,) = re.findall(r"`(\"Authorization\": [^`]*)`", reader.page.text)
        client = (tmp_path / "client.py").read_text("utf-8")
        changed = client.replace('"12345"}', f'"12345", {header}}}')
        (tmp_path / "client.py").write_text(changed, "utf-8")
        assert reader.runs(reader.command("client.py")) == reader.page.code("text", "{'action'")
        bot.stop()
        await bot.ended()


async def test_a_broken_way_fails_as_the_page_shows_it(tmp_path: Path) -> None:
    reader = Reader(START / "adapters.md", tmp_path)
    with reader.starts(reader.command("--break polling")) as example:
        assert await example.ended() == 1
    shown = reader.page.code("text", "FAILED")
    assert re.sub(r" +\d+\.\d+ ms", " ms", example.output) == re.sub(r" +\d+\.\d+ ms", " ms", shown)


async def test_the_bot_of_the_readme_answers(tmp_path: Path) -> None:
    reader = Reader(READMES[0], tmp_path)
    (tmp_path / "bot.py").write_text(reader.page.code("python", "MyBot"), "utf-8")
    with reader.starts("python bot.py") as bot:
        await bot.shows(LISTENING)
        assert await pinged(reader, "/my/ws") == PONG
        await bot.shows("12345 can be reached")
        bot.stop()
        assert await bot.ended() == 0


async def test_a_nonebot2_bot_is_switched_by_a_line(tmp_path: Path) -> None:
    reader = Reader(START / "nonebot2.md", tmp_path)
    with reader.starts(reader.command("python bot.py")) as bot:
        await bot.shows(LISTENING)
        answer = reader.runs(reader.command("python client.py"))
        assert answer == reader.page.code("text", "send_msg")
        (warned,) = re.findall(r"WARNING, `([^`]*)`", reader.page.text)
        await bot.shows(rf"\[WARNING\] .*{warned}")
        bot.stop()
        assert await bot.ended() == 0
    output = reader.as_shown(bot.output)
    assert "nonebot_aiohttp | Listening on http://127.0.0.1:8080" in output
    for text in re.findall(r"`(Stopp[^`]*)`", reader.page.text):
        assert f"nonebot_aiohttp | {text}" in output


def test_run_takes_the_arguments_that_the_page_names() -> None:
    page = Document(START / "nonebot2.md")
    (taken,) = re.findall(r"`nonebot\.run\(\)` accepts (.*?) \(\[", page.text)
    parameters = list(inspect.signature(Driver.run).parameters)
    assert re.findall(r"`(\w+)`", taken) == parameters[1:]


async def test_nonebots_own_drivers_log_what_the_page_says(tmp_path: Path) -> None:
    reader = Reader(START / "nonebot2.md", tmp_path)
    before = "~fastapi+~httpx+~websockets"
    assert before in reader.page.text
    with reader.starts("python bot.py", DRIVER=before) as bot:
        await bot.shows(LISTENING)
        assert reader.runs("python client.py") == reader.page.code("text", "send_msg")
        bot.stop()
        await bot.ended()
    rows = [row[0] for row in reader.page.table("before")]
    for text in re.findall(r"`uvicorn`: `([^`]*)`", " ".join(rows)):
        assert f"uvicorn | {text}" in reader.as_shown(bot.output)
    assert '"WebSocket /onebot/v11/ws" [accepted]' in bot.output


@needs_curl
@pytest.mark.parametrize("start", ["python site_aiohttp.py", "uvicorn --port 8080 site_asgi:app"])
async def test_a_site_answers_and_so_does_its_bot(start: str, tmp_path: Path) -> None:
    reader = Reader(START / "sites.md", tmp_path)
    with reader.starts(reader.command(start)) as site:
        await site.shows(LISTENING)
        page, bot = reader.page.code("sh", "curl ").splitlines()
        shown, status = reader.page.code("text").splitlines()
        assert reader.runs(page) == f"{shown}\n"
        assert reader.runs(bot).startswith(status)
        assert await pinged(reader, "/bot/my/ws") == PONG
        site.stop()
        await site.ended()
    assert "Traceback" not in site.output
