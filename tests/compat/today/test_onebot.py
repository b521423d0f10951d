"""The current OneBot v11 adapter and the built-in echo plugin, over every kind of connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.ports import free_port

from ..support.choice import Candidate
from ..support.network import within
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
from ..support.process import Bot, running

TOKEN = "a token"
SECRET = "a secret"
REFUSED = aiohttp.WSServerHandshakeError


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    """The platform."""
    async with platform() as there:
        yield there


@pytest.fixture
async def bot(bot_driver: Candidate, tmp_path: Path, there: Platform) -> AsyncIterator[Bot]:
    """A bot that takes webhooks and reverse WebSockets."""
    settings = {
        "adapters": ["onebot"],
        "onebot_access_token": TOKEN,
        "onebot_secret": SECRET,
        "onebot_api_roots": {SELF_ID: there.api_root},
    }
    async with running("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        yield bot


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """The platform's HTTP client."""
    async with aiohttp.ClientSession() as client:
        yield client


async def post(client: aiohttp.ClientSession, bot: Bot, event: Any, **headers: str) -> int:
    """Send an event to the webhook and return the status of the answer."""
    body = json.dumps(event).encode()
    named = {"X-Self-ID": SELF_ID, "Content-Type": "application/json", **sign(SECRET, body)}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    named = {name: value for name, value in named.items() if value}
    async with client.post(bot.url("/onebot/v11/"), data=body, headers=named) as got:
        return got.status


def ws_url(bot: Bot) -> str:
    """Return the address of the bot's reverse WebSocket."""
    return bot.url("/onebot/v11/ws", scheme="ws")


async def test_webhook(bot: Bot, there: Platform, client: aiohttp.ClientSession) -> None:
    for text in ("一", "two"):
        assert await post(client, bot, message_event(f"/echo {text}")) == 204
        action, params, headers = await within(there.calls.get())
        assert (action, text_of(params["message"]).strip()) == ("send_msg", text)
        assert headers["authorization"] == f"Bearer {TOKEN}"
    called = await bot.note("called", 2)
    assert (called["error"], "99" in called["result"]) == (None, True)
    await bot.stop()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X_Self_ID": ""}, 400),
        ({"X_Signature": ""}, 401),
        ({"X_Signature": "sha1=" + "0" * 40}, 403),
    ],
    ids=["no id", "no signature", "wrong signature"],
)
async def test_refused_webhook(
    bot: Bot, client: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    assert await post(client, bot, message_event("/echo no"), **headers) == status
    assert bot.noted("called") == []


async def test_reverse_websocket(bot: Bot, client: aiohttp.ClientSession) -> None:
    async with connect(client, ws_url(bot), token=TOKEN) as ws:
        for text in ("一", "two"):
            await echo_over(ws, text)
        called = await bot.note("called", 2)
        assert (called["error"], "99" in called["result"]) == (None, True)
        assert (await bot.note("connected"))["id"] == SELF_ID
    assert (await bot.note("disconnected"))["id"] == SELF_ID
    await bot.stop()


async def test_reverse_websocket_comes_back(bot: Bot, client: aiohttp.ClientSession) -> None:
    for number in range(1, 4):
        async with connect(client, ws_url(bot), token=TOKEN) as ws:
            await echo_over(ws, f"time {number}")
        await bot.note("disconnected", number)


async def test_refused_reverse_websocket(bot: Bot, client: aiohttp.ClientSession) -> None:
    for options in ({"token": "wrong"}, {}, {"token": TOKEN, "self_id": None}):
        with pytest.raises(REFUSED) as caught:
            await connect(client, ws_url(bot), **options)
        assert caught.value.status == 403


async def test_second_connection_of_one_bot(bot: Bot, client: aiohttp.ClientSession) -> None:
    async with connect(client, ws_url(bot), token=TOKEN) as ws:
        await echo_over(ws, "one")
        with pytest.raises(REFUSED):
            await connect(client, ws_url(bot), token=TOKEN)
        await echo_over(ws, "two")


async def test_two_bots(bot: Bot, client: aiohttp.ClientSession) -> None:
    async with (
        connect(client, ws_url(bot), "1", token=TOKEN) as one,
        connect(client, ws_url(bot), "2", token=TOKEN) as two,
    ):
        await echo_over(one, "a", "1")
        await echo_over(two, "b", "2")


async def test_stop_with_a_reverse_websocket(bot: Bot, client: aiohttp.ClientSession) -> None:
    async with connect(client, ws_url(bot), token=TOKEN) as ws:
        await echo_over(ws, "one")
        await bot.note("called")
        bot.send_stop()
        message = await within(ws.receive())
        assert message.type is aiohttp.WSMsgType.CLOSE
    await bot.ended()
    await bot.note("disconnected")
    assert bot.journal[-1]["what"] in ("shutdown", "disconnected")


async def test_forward_websocket(bot_driver: Candidate, tmp_path: Path) -> None:
    """The platform comes up after the bot, and is restarted."""
    port = free_port()
    settings = {
        "adapters": ["onebot"],
        "onebot_access_token": TOKEN,
        "onebot_ws_urls": [f"ws://127.0.0.1:{port}/ws"],
    }
    async with running("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        for number in (1, 2):
            async with platform(port) as there:
                ws = await there.arrival()
                assert there.attempts[0]["authorization"] == f"Bearer {TOKEN}"
                await echo_over(ws, f"time {number}")
                assert (await bot.note("called", number))["error"] is None
            await bot.note("disconnected", number)
        bot.send_stop()
        await bot.ended()
    assert bot.noted("shutdown")


async def test_stop_with_a_forward_websocket(
    bot_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    settings = {"adapters": ["onebot"], "onebot_ws_urls": [there.ws_url]}
    async with running("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        ws = await there.arrival()
        await echo_over(ws, "one")
        await bot.note("called")
        last_word = asyncio.create_task(ws.receive())
        await bot.stop()
        assert (await within(last_word)).type is aiohttp.WSMsgType.CLOSE
    assert bot.noted("shutdown")


async def test_both_ways_at_once(
    bot_driver: Candidate, tmp_path: Path, there: Platform, client: aiohttp.ClientSession
) -> None:
    settings = {"adapters": ["onebot"], "onebot_ws_urls": [there.ws_url]}
    async with running("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        forward = await there.arrival()
        async with connect(client, ws_url(bot), "2") as reverse:
            await echo_over(forward, "forward")
            await echo_over(reverse, "reverse", "2")
            await echo_over(forward, "forward again")
        assert {entry["id"] for entry in bot.noted("connected")} == {SELF_ID, "2"}
