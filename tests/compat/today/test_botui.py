"""A console of NoneBot's store that wraps the application's middleware when the bot starts."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.process import Bot

SETTINGS: dict[str, Any] = {
    "aiohttp_fastapi": True,
    "plugins_to_load": ["nonebot_plugin_botui"],
    "localstore_use_cwd": True,
    "botui_token": "of-the-test",
}


async def test_its_page_its_headers_and_its_websocket(
    console_driver: Candidate, tmp_path: Path
) -> None:
    async with (
        Bot("plugins_bot", console_driver, tmp_path, **SETTINGS) as bot,
        aiohttp.ClientSession() as client,
    ):
        async with client.get(bot.url("/botui/")) as answer:
            assert answer.status == 200
            assert "</html>" in await answer.text()
            assert answer.headers["x-frame-options"] == "DENY"
        async with client.get(bot.url("/botui/api/nothing")) as answer:
            assert answer.status in (401, 404)
            assert (await answer.json())["ok"] is False
        async with client.ws_connect(bot.url("/botui/api/ws", scheme="ws")) as ws:
            end = await within(ws.receive())
            assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 4401)
            assert end.extra
        url = bot.url("/botui/api/ws?token=of-the-test", scheme="ws")
        async with client.ws_connect(url) as ws:
            assert json.loads(await within(ws.receive_str()))["type"] == "ready"
        await bot.stop()
