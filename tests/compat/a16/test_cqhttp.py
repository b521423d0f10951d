"""The cqhttp adapter of 2021 and the built-in echo plugin, over every kind of connection."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp import testing

from ..support.choice import Candidate
from ..support.onebot import SELF_ID, Platform, echo_over, message_event, said_over, text_of
from ..support.process import Bot

TOKEN = "a token"
SECRET = "a secret"


@pytest.fixture
async def bot(old_driver: Candidate, tmp_path: Path, there: Platform) -> AsyncIterator[Bot]:
    """A bot that takes webhooks and reverse WebSockets."""
    settings: dict[str, Any] = {
        "api_root": {SELF_ID: there.api_root},
        "access_token": TOKEN,
        "secret": SECRET,
    }
    async with Bot("cqhttp_bot", old_driver, tmp_path, **settings) as bot:
        yield bot


async def post(there: Platform, url: str, text: str, **options: Any) -> tuple[int, str]:
    """Send a signed event to a webhook and return the answer's status and text."""
    got = await there.post_event(url, message_event(text), **{"secret": SECRET, **options})
    return got.status, got.text


def ws_url(bot: Bot, path: str = "/cqhttp/ws") -> str:
    return bot.url(path, scheme="ws")


@pytest.mark.parametrize("path", ["/cqhttp/", "/cqhttp/http"])
async def test_webhook(bot: Bot, there: Platform, path: str) -> None:
    for number, text in enumerate(("一", "two"), 1):
        assert await post(there, bot.url(path), f"/echo {text}") == (204, "")
        call = await there.expect("POST", "/api/send_msg")
        assert text_of(call.json["message"]).strip() == text
        assert call.headers["authorization"] == f"Bearer {TOKEN}"
        called = await bot.told("called", number)
        assert (called["error"], called["result"]) == (None, "{'message_id': 99}")
    assert bot.all_told("connected") == []


async def test_refused_webhooks(bot: Bot, there: Platform) -> None:
    refusals: list[tuple[dict[str, Any], int, str]] = [
        ({"self_id": None}, 400, "Missing X-Self-ID Header"),
        ({"secret": None}, 401, "Missing Signature"),
        ({"secret": "another"}, 403, "Signature is invalid"),
    ]
    for options, status, word in refusals:
        got, answer = await post(there, bot.url("/cqhttp/"), "/echo no", **options)
        assert (got, word in answer) == (status, True)
        if bot.candidate.is_ours:  # The stock driver wraps the adapter's body into JSON.
            assert answer == word
    assert bot.all_told("called") == []


@pytest.mark.parametrize("path", ["/cqhttp/ws", "/cqhttp/ws/"])
async def test_reverse_websocket(bot: Bot, there: Platform, path: str) -> None:
    async with there.reverse(ws_url(bot, path), token=TOKEN) as connection:
        for number, text in enumerate(("一", "two"), 1):
            await echo_over(connection, text)
            called = await bot.told("called", number)
            assert (called["error"], called["result"]) == (None, "{'message_id': 99}")
        connected = await bot.told("connected")
        assert (connected["id"], connected["known"]) == (SELF_ID, True)
    gone = await bot.told("disconnected")
    assert (gone["id"], gone["known"]) == (SELF_ID, False)


async def test_refused_reverse_websockets(bot: Bot, there: Platform) -> None:
    refusals: list[tuple[dict[str, Any], int]] = [
        ({"token": "wrong"}, 403),
        ({}, 403),
        ({"token": TOKEN, "self_id": None}, 400),
    ]
    for options, status in refusals:
        with pytest.raises(testing.Refused) as caught:
            async with there.reverse(ws_url(bot), **options):
                pass
        # The stock driver has one status for all refusals.
        assert caught.value.status == (status if bot.candidate.is_ours else 403)
    assert bot.all_told("connected") == []


async def test_what_a_plugin_sees(bot: Bot, there: Platform) -> None:
    url = bot.url("/cqhttp/?a=%E5%80%BC")
    assert (await post(there, url, "/look"))[0] == 204
    look = await bot.told("look")
    assert look["driver"] == [True, True, True]
    assert (look["app"], look["asgi"], look["env"]) == (True, True, "prod")
    assert (look["request"], look["kind"]) == ([True, False], "http")
    assert (look["scheme"], look["path"], look["query"]) == ("http", "/cqhttp/", "a=%E5%80%BC")
    assert (look["headers"]["x-self-id"], look["version"]) == (SELF_ID, "1.1")
    assert look["bots"] == []
    async with there.reverse(f"{ws_url(bot)}?b=1", token=TOKEN) as connection:
        await connection.send(message_event("/look"))
        look = await bot.told("look", 2)
    assert (look["request"], look["kind"]) == ([False, True], "websocket")
    assert (look["scheme"], look["path"], look["query"]) == ("ws", "/cqhttp/ws", "b=1")
    assert look["bots"] == [SELF_ID]


async def test_forward_websocket(
    old_forward_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    """The platform comes up after the bot, and is restarted."""
    settings: dict[str, Any] = {
        "access_token": TOKEN,
        "cqhttp_ws_urls": {SELF_ID: there.forward_url},
    }
    await there.stop()
    async with Bot("cqhttp_bot", old_forward_driver, tmp_path, **settings) as bot:
        for number in (1, 2):
            await there.start()
            connection = await there.connected(deadline=30)
            assert connection.call.headers["authorization"] == f"Bearer {TOKEN}"
            assert connection.call.headers["host"] == f"127.0.0.1:{there.port}"
            await echo_over(connection, f"time {number}")
            called = await bot.told("called", number)
            assert (called["error"], called["result"]) == (None, "{'message_id': 99}")
            await there.stop()
            await bot.told("disconnected", number)
        bot.signal(signal.SIGTERM)
        await bot.ended()
    assert bot.all_told("shutdown")


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
@pytest.mark.stock_is_wrong("fastapi", "it does not wait for handlers")
async def test_events_in_flight_end_before_the_stop(bot: Bot, there: Platform) -> None:
    """Adapters of that time await their events within ``handle_message``."""
    assert bot.all_told("startup")
    async with there.reverse(ws_url(bot), token=TOKEN) as connection:
        for number in range(10):
            await connection.send(message_event(f"/work {number}"))
        assert (await post(there, bot.url("/cqhttp/"), "/work webhook"))[0] == 204
        await bot.told("begun", 11)
        bot.signal(signal.SIGTERM)
        for _ in range(10):
            await said_over(connection)
        assert (await connection.closed(deadline=30)).code == 1001
    assert await bot.ended() == 0
    assert len(bot.all_told("handled")) == 11
    assert len(there.api.calls) == 1
    assert bot.all_told("shutdown")
