"""Web consoles out of NoneBot's store, with the pages and the WebSockets that they have."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import within

from ..support.choice import OURS, Candidate
from ..support.onebot import Platform, message_event
from ..support.process import Bot

CONSOLE = "nonebot_plugin_shiro_web_console"


@pytest.fixture
async def bot(console_driver: Candidate, tmp_path: Path) -> AsyncIterator[Bot]:
    """A bot with the plugin; its data stay in the test's folder."""
    settings: dict[str, Any] = {
        "aiohttp_fastapi": True,
        "plugins_to_load": [CONSOLE],
        "localstore_use_cwd": True,
        "web_console_password": "of the test",
    }
    async with Bot("plugins_bot", console_driver, tmp_path, **settings) as bot:
        yield bot


async def next_of(ws: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """Wait for the next message of a kind on the console's WebSocket."""
    while True:
        message: dict[str, Any] = json.loads(await within(ws.receive_str()))
        if message["type"] == kind:
            return message


async def test_a_web_console(bot: Bot, there: Platform) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get(bot.url("/web_console")) as answer:
            assert answer.status == 200
            page = await answer.text()
        assert answer.content_type == "text/html"
        assert "</html>" in page
        async with client.get(bot.url("/web_console/static/index.html")) as answer:
            assert await answer.text() == page
        async with client.get(bot.url("/web_console/api/status")) as answer:
            assert answer.status == 401
        login = {"password": "of the test"}
        async with client.post(bot.url("/web_console/api/login"), json=login) as answer:
            token = (await answer.json())["token"]
        await watch_a_chat(client, bot, there, token)
    await bot.stop()


async def watch_a_chat(
    client: aiohttp.ClientSession, bot: Bot, there: Platform, token: str
) -> None:
    """See on the console what the platform sends to the bot."""
    console = bot.url(f"/web_console/ws?token={token}", scheme="ws")
    onebot = bot.ws_url("/onebot/v11/ws")
    async with client.ws_connect(console) as page, there.reverse(onebot) as connection:
        event = message_event("hello console")
        await connection.send(event)
        call = await connection.expect({"action": "get_msg"}, deadline=30)
        data = {**event, "real_id": 1}
        result = {"status": "ok", "retcode": 0, "data": data, "echo": call.json["echo"]}
        await call.reply(result)
        seen = await next_of(page, "new_message")
        assert "hello console" in json.dumps(seen, ensure_ascii=False)
        logs, headers = bot.url("/web_console/api/logs"), {"Authorization": token}
        async with client.get(logs, headers=headers) as answer:
            assert "hello console" in await answer.text()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(bot.url("/web_console/ws?token=wrong", scheme="ws"))
    assert refused.value.status == 403


async def test_without_the_setting_it_says_what_is_missing(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"plugins_to_load": [CONSOLE], "localstore_use_cwd": True}
    async with (
        Bot("plugins_bot", Candidate(OURS), tmp_path, **settings) as bot,
        aiohttp.ClientSession() as client,
        client.get(bot.url("/web_console")) as answer,
    ):
        assert answer.status == 404
