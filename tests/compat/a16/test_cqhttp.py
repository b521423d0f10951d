"""The cqhttp adapter of 2021 and the built-in echo plugin, over every kind of connection."""

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
async def bot(old_driver: Candidate, tmp_path: Path, there: Platform) -> AsyncIterator[Bot]:
    """A bot that takes webhooks and reverse WebSockets."""
    settings = {
        "api_root": {SELF_ID: there.api_root},
        "access_token": TOKEN,
        "secret": SECRET,
    }
    async with Bot("cqhttp_bot", old_driver, tmp_path, **settings) as bot:
        yield bot


async def post(
    client: aiohttp.ClientSession, url: str, event: Any, headers: dict[str, str], key: str = SECRET
) -> tuple[int, str]:
    """Send a signed event to a webhook and return the answer's status and text."""
    body = json.dumps(event).encode()
    signature = sign(key, body) if key else {}
    async with client.post(url, data=body, headers={**headers, **signature}) as got:
        return got.status, await got.text()


def ws_url(bot: Bot, path: str = "/cqhttp/ws") -> str:
    return bot.url(path, scheme="ws")


@pytest.mark.parametrize("path", ["/cqhttp/", "/cqhttp/http"])
async def test_webhook(bot: Bot, there: Platform, client: aiohttp.ClientSession, path: str) -> None:
    headers = {"X-Self-ID": SELF_ID}
    for number, text in enumerate(("一", "two"), 1):
        event = message_event(f"/echo {text}")
        assert await post(client, bot.url(path), event, headers) == (204, "")
        action, params, sent = await within(there.calls.get())
        assert (action, text_of(params["message"]).strip()) == ("send_msg", text)
        assert sent["authorization"] == f"Bearer {TOKEN}"
        called = await bot.told("called", number)
        assert (called["error"], called["result"]) == (None, "{'message_id': 99}")
    assert bot.all_told("connected") == []


async def test_refused_webhooks(bot: Bot, client: aiohttp.ClientSession) -> None:
    known = {"X-Self-ID": SELF_ID}
    refusals: list[tuple[dict[str, str], str, int, str]] = [
        ({}, SECRET, 400, "Missing X-Self-ID Header"),
        (known, "", 401, "Missing Signature"),
        (known, "another", 403, "Signature is invalid"),
    ]
    for headers, key, status, word in refusals:
        event = message_event("/echo no")
        got, answer = await post(client, bot.url("/cqhttp/"), event, headers, key)
        assert (got, word in answer) == (status, True)
        if bot.candidate.is_ours:  # The stock driver wraps the adapter's body into JSON.
            assert answer == word
    assert bot.all_told("called") == []


@pytest.mark.parametrize("path", ["/cqhttp/ws", "/cqhttp/ws/"])
async def test_reverse_websocket(bot: Bot, client: aiohttp.ClientSession, path: str) -> None:
    async with connect(client, ws_url(bot, path), token=TOKEN) as ws:
        for number, text in enumerate(("一", "two"), 1):
            await echo_over(ws, text)
            called = await bot.told("called", number)
            assert (called["error"], called["result"]) == (None, "{'message_id': 99}")
        connected = await bot.told("connected")
        assert (connected["id"], connected["known"]) == (SELF_ID, True)
    gone = await bot.told("disconnected")
    assert (gone["id"], gone["known"]) == (SELF_ID, False)


async def test_refused_reverse_websockets(bot: Bot, client: aiohttp.ClientSession) -> None:
    refusals: list[tuple[dict[str, Any], int]] = [
        ({"token": "wrong"}, 403),
        ({}, 403),
        ({"token": TOKEN, "self_id": None}, 400),
    ]
    for options, status in refusals:
        with pytest.raises(REFUSED) as caught:
            await connect(client, ws_url(bot), **options)
        # The stock driver has one status for all refusals.
        assert caught.value.status == (status if bot.candidate.is_ours else 403)
    assert bot.all_told("connected") == []


async def test_what_a_plugin_sees(bot: Bot, there: Platform, client: aiohttp.ClientSession) -> None:
    headers = {"X-Self-ID": SELF_ID}
    url = bot.url("/cqhttp/?a=%E5%80%BC")
    assert (await post(client, url, message_event("/look"), headers))[0] == 204
    look = await bot.told("look")
    assert look["driver"] == [True, True, True]
    assert (look["app"], look["asgi"], look["env"]) == (True, True, "prod")
    assert (look["request"], look["kind"]) == ([True, False], "http")
    assert (look["scheme"], look["path"], look["query"]) == ("http", "/cqhttp/", "a=%E5%80%BC")
    assert (look["headers"]["x-self-id"], look["version"]) == (SELF_ID, "1.1")
    assert look["bots"] == []
    async with connect(client, f"{ws_url(bot)}?b=1", token=TOKEN) as ws:
        await ws.send_str(json.dumps(message_event("/look")))
        look = await bot.told("look", 2)
    assert (look["request"], look["kind"]) == ([False, True], "websocket")
    assert (look["scheme"], look["path"], look["query"]) == ("ws", "/cqhttp/ws", "b=1")
    assert look["bots"] == [SELF_ID]


async def test_forward_websocket(old_forward_driver: Candidate, tmp_path: Path) -> None:
    """The platform comes up after the bot, and is restarted."""
    port = free_port()
    settings = {
        "access_token": TOKEN,
        "cqhttp_ws_urls": {SELF_ID: f"ws://127.0.0.1:{port}/ws"},
    }
    async with Bot("cqhttp_bot", old_forward_driver, tmp_path, **settings) as bot:
        for number in (1, 2):
            async with platform(port) as there:
                ws = await there.arrival()
                handshake = there.attempts[0]
                assert handshake["authorization"] == f"Bearer {TOKEN}"
                assert handshake["host"] == f"127.0.0.1:{port}"
                await echo_over(ws, f"time {number}")
                called = await bot.told("called", number)
                assert (called["error"], called["result"]) == (None, "{'message_id': 99}")
            await bot.told("disconnected", number)
        bot.signal(signal.SIGTERM)
        await bot.ended()
    assert bot.all_told("shutdown")


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
@pytest.mark.stock_is_wrong("fastapi", "it does not wait for handlers")
async def test_events_in_flight_end_before_the_stop(
    bot: Bot, there: Platform, client: aiohttp.ClientSession
) -> None:
    """Adapters of that time await their events within ``handle_message``."""
    assert bot.all_told("startup")
    headers = {"X-Self-ID": SELF_ID}
    async with connect(client, ws_url(bot), token=TOKEN) as ws:
        for number in range(10):
            await ws.send_str(json.dumps(message_event(f"/work {number}")))
        event = message_event("/work webhook")
        assert (await post(client, bot.url("/cqhttp/"), event, headers))[0] == 204
        await bot.told("begun", 11)
        bot.signal(signal.SIGTERM)
        for _ in range(10):
            call = json.loads((await within(ws.receive())).data)
            answer = {"status": "ok", "retcode": 0, "data": {"message_id": 9}, "echo": call["echo"]}
            await ws.send_str(json.dumps(answer))
        assert (await within(ws.receive())).data == 1001
    assert await bot.ended() == 0
    assert len(bot.all_told("handled")) == 11
    assert there.calls.qsize() == 1
    assert bot.all_told("shutdown")
