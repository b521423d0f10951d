"""The current OneBot v11 adapter and the built-in echo plugin, over every kind of connection."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.ports import free_port
from tests.support.waiting import within

from ..support.choice import Candidate
from ..support.onebot import (
    SELF_ID,
    Platform,
    connect,
    echo_over,
    message_event,
    platform,
    sign,
    text_of,
)
from ..support.process import Bot

TOKEN = "a token"
SECRET = "a secret"
REFUSED = aiohttp.WSServerHandshakeError


@pytest.fixture
async def bot(bot_driver: Candidate, tmp_path: Path, there: Platform) -> AsyncIterator[Bot]:
    """A bot that takes webhooks and reverse WebSockets."""
    settings = {
        "adapters": ["onebot"],
        "onebot_access_token": TOKEN,
        "onebot_secret": SECRET,
        "onebot_api_roots": {SELF_ID: there.api_root},
    }
    async with Bot("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        yield bot


async def post(client: aiohttp.ClientSession, bot: Bot, event: Any, **headers: str) -> int:
    """Send an event to the webhook and return the status of the answer."""
    body = json.dumps(event).encode()
    named = {"X-Self-ID": SELF_ID, "Content-Type": "application/json", **sign(SECRET, body)}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    named = {name: value for name, value in named.items() if value}
    async with client.post(bot.url("/onebot/v11/"), data=body, headers=named) as got:
        return got.status


def ws_url(bot: Bot) -> str:
    return bot.ws_url("/onebot/v11/ws")


async def test_webhook(bot: Bot, there: Platform, client: aiohttp.ClientSession) -> None:
    for text in ("一", "two"):
        assert await post(client, bot, message_event(f"/echo {text}")) == 204
        action, params, headers = await within(there.calls.get())
        assert (action, text_of(params["message"]).strip()) == ("send_msg", text)
        assert headers["authorization"] == f"Bearer {TOKEN}"
    called = await bot.told("called", 2)
    assert (called["error"], "99" in called["result"]) == (None, True)
    await bot.stop()


async def test_refusals(bot: Bot, client: aiohttp.ClientSession) -> None:
    for headers, status in (
        ({"X_Self_ID": ""}, 400),
        ({"X_Signature": ""}, 401),
        ({"X_Signature": "sha1=" + "0" * 40}, 403),
    ):
        assert await post(client, bot, message_event("/echo no"), **headers) == status
    for options in ({"token": "wrong"}, {}, {"token": TOKEN, "self_id": None}):
        with pytest.raises(REFUSED) as caught:
            await connect(client, ws_url(bot), **options)
        assert caught.value.status == 403
    assert bot.all_told("called") == bot.all_told("connected") == []


async def test_reverse_websocket(bot: Bot, client: aiohttp.ClientSession) -> None:
    """The platform comes back, and is connected when the bot is stopped."""
    for number in (1, 2):
        async with connect(client, ws_url(bot), token=TOKEN) as ws:
            await echo_over(ws, f"time {number}")
            called = await bot.told("called", number)
            assert (called["error"], "99" in called["result"]) == (None, True)
            assert (await bot.told("connected", number))["id"] == SELF_ID
        assert (await bot.told("disconnected", number))["id"] == SELF_ID
    async with connect(client, ws_url(bot), token=TOKEN) as ws:
        await echo_over(ws, "一")
        await bot.told("called", 3)
        bot.signal(signal.SIGTERM)
        assert (await within(ws.receive())).type is aiohttp.WSMsgType.CLOSE
    await bot.ended()
    await bot.told("disconnected", 3)
    assert bot.all_told()[-1]["what"] in ("shutdown", "disconnected")


async def test_forward_websocket(client_driver: Candidate, tmp_path: Path) -> None:
    """The platform comes up after the bot, and is restarted; then the bot is stopped."""
    port = free_port()
    settings = {
        "adapters": ["onebot"],
        "onebot_access_token": TOKEN,
        "onebot_ws_urls": [f"ws://127.0.0.1:{port}/ws"],
    }
    async with Bot("adapters_bot", client_driver, tmp_path, **settings) as bot:
        async with platform(port) as there:
            await echo_over(await there.arrival(), "一")
            await bot.told("called")
        await bot.told("disconnected")
        async with platform(port) as there:
            ws = await there.arrival()
            assert there.attempts[0]["authorization"] == f"Bearer {TOKEN}"
            await echo_over(ws, "two")
            assert (await bot.told("called", 2))["error"] is None
            last_word = asyncio.create_task(ws.receive())
            await bot.stop()
            assert (await within(last_word)).type is aiohttp.WSMsgType.CLOSE
    assert bot.all_told("shutdown")
    assert len(bot.all_told("disconnected")) == 2
