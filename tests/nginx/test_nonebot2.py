"""The same files with NoneBot2 and its OneBot 11 adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.compat.support.onebot import call_of, connect, echo_over, message_event, text_of
from tests.nginx.page import process_of
from tests.nginx.processes import BotProcess
from tests.nginx.site import Site
from tests.support.waiting import within

BOTS = [str(bot) for bot in range(10_001, 10_010)]


async def post(client: aiohttp.ClientSession, site: Site, bot: str, text: str) -> int:
    event, headers = message_event(text, bot), {"X-Self-ID": bot}
    async with client.post(site.url("/onebot/v11/"), json=event, headers=headers) as response:
        return response.status


async def echoed(websocket: Any) -> str:
    """Wait for the call by which a bot echoes a text, and answer it."""
    call = await call_of(websocket)
    answer = {"status": "ok", "retcode": 0, "data": {"message_id": 99}, "echo": call["echo"]}
    await websocket.send_str(json.dumps(answer))
    return text_of(call["params"]["message"]).strip()


def process_with(site: Site, bot: str) -> BotProcess:
    names = {f"127.0.0.1:{process.port}": process for process in site.processes}
    return names[process_of(bot, names)]


@pytest.mark.promise("several processes: webhooks and reverse WebSocket of a bot meet in one")
async def test_onebot_bots_meet_themselves_and_come_back(
    make_site: Callable[..., Site], client: aiohttp.ClientSession
) -> None:
    site = make_site("nonebot2_bot.py", DRIVER="nonebot_aiohttp.nonebot2")
    await site.start()
    url = site.url("/onebot/v11/ws", "ws")
    for bot in BOTS:
        async with connect(client, url, bot) as websocket:
            await echo_over(websocket, "by WebSocket", bot)
            # The answer to the webhook comes over the WebSocket.
            assert await post(client, site, bot, "/echo by webhook") == 204
            assert await echoed(websocket) == "by webhook"
        assert f"OneBot V11 {bot}" in process_with(site, bot).log
    bot = BOTS[0]
    process = process_with(site, bot)
    async with connect(client, url, bot) as websocket:
        await echo_over(websocket, "before", bot)
        goodbye = asyncio.ensure_future(within(websocket.receive()))
        await process.stop()
        assert (await goodbye).data == 1001
    # A webhook and the WebSocket wait until the process is back.
    late = asyncio.ensure_future(post(client, site, bot, "late"))
    process.start()
    async with connect(client, url, bot) as websocket:
        assert await late == 204
        await process.started()
        await echo_over(websocket, "after", bot)
    assert process.log.count("'late'") == 1
    await site.stop()
