"""Trap: an acknowledged event was lost at the stop, because its adapter had its own task for it.

Promises are tested with real adapters: OneBot, Telegram, Discord. Each stop is a SIGTERM that comes
while matchers wait.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.process.hosts import HOSTS
from tests.process.observing import check

from ..support.choice import OURS, Candidate
from ..support.discord import TOKEN as DISCORD_TOKEN
from ..support.discord import discord
from ..support.network import eventually, within
from ..support.onebot import (
    SELF_ID,
    Platform,
    connect,
    looked_up_message,
    message_event,
    platform,
)
from ..support.process import Bot, running
from ..support.telegram import TOKEN as TELEGRAM_TOKEN
from ..support.telegram import push, telegram

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.stock_is_wrong("~fastapi", "it waits for no matcher"),
    pytest.mark.stock_is_wrong("~none", "it waits for no matcher"),
]

HOST_NAMES = {"run": "run()", "serve": "serve()", "subapp": "add_subapp"}
"""The hosts' names in the table of the documentation, where they differ."""

SHUTDOWN = ["shutdown first", "shutdown behind", "shutdown"]


def options(there: Platform | None = None, **more: Any) -> dict[str, Any]:
    """Make the configuration of a bot of OneBot's."""
    settings: dict[str, Any] = {"adapters": ["onebot"], "work_seconds": 0.5, **more}
    if there is not None:
        settings["onebot_api_roots"] = {SELF_ID: there.api_root}
    return settings


def handled(bot: Bot) -> list[str]:
    """List the events that were handled to their end."""
    return sorted(entry["id"] for entry in bot.noted("handled"))


def ids(count: int) -> list[str]:
    """List the ids of so many events."""
    return sorted(str(number) for number in range(count))


def shutdowns(bot: Bot) -> list[str]:
    """List the shutdown functions that have run, in order."""
    return [entry["what"] for entry in bot.journal if entry["what"] in SHUTDOWN]


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    """The platform."""
    async with platform() as there:
        yield there


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """The platform's HTTP client."""
    async with aiohttp.ClientSession() as client:
        yield client


async def post(client: aiohttp.ClientSession, bot: Bot, event: dict[str, Any]) -> int:
    """Send an event by webhook."""
    url = bot.url("/onebot/v11/")
    async with client.post(url, json=event, headers={"X-Self-ID": SELF_ID}) as got:
        return got.status


def reply_to(number: int, text: str) -> dict[str, Any]:
    """Make an event that replies to a message, which the adapter looks up by an API call."""
    event = message_event(text)
    reply = {"type": "reply", "data": {"id": str(number)}}
    event["message"].insert(0, reply)
    return event


class Answers:
    """The platform's side of a WebSocket: it answers API calls, once it is let go."""

    def __init__(self, ws: Any, *, at_once: bool = True) -> None:
        self.ws = ws
        self.calls: list[str] = []
        self.go = asyncio.Event()
        if at_once:
            self.go.set()
        self.task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        answering = set()
        async for message in self.ws:
            call = json.loads(message.data)
            self.calls.append(call["action"])
            answering.add(asyncio.create_task(self._answer(call)))
        await asyncio.gather(*answering)

    async def _answer(self, call: dict[str, Any]) -> None:
        await self.go.wait()
        data = looked_up_message() if call["action"] == "get_msg" else {"message_id": 99}
        answer = {"status": "ok", "retcode": 0, "data": data, "echo": call["echo"]}
        await self.ws.send_str(json.dumps(answer))

    async def end(self) -> int | None:
        """Wait for the end of the connection and return the close code."""
        await within(self.task, 30)
        code: int | None = self.ws.close_code
        return code


# Every host


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_webhooks_under_every_host(
    hosted_driver: Candidate, tmp_path: Path, there: Platform, client: aiohttp.ClientSession
) -> None:
    async with running("events_bot", hosted_driver, tmp_path, **options(there)) as bot:
        for number in range(10):
            assert await post(client, bot, message_event(f"/work {number}")) == 204
            # The adapter waits for the message that is replied to: no matcher has begun.
            assert await post(client, bot, reply_to(7, f"/work {number + 10}")) == 204
        await bot.note("begun", 10)
        await eventually(lambda: there.calls.qsize() >= 10, "the look-ups")
        # One more, whose task may not have taken its first step when the stop comes.
        assert await post(client, bot, message_event("/work last")) == 204
        bot.send_stop()
        await eventually(lambda: "event(s) in flight" in bot.log or not bot.is_running, "the drain")
        there.looked_up.set()
        assert await bot.ended() in bot.candidate.exit_codes
    assert "Traceback" not in bot.log
    name = HOST_NAMES.get(hosted_driver.host, hosted_driver.host)
    (host,) = (each for each in HOSTS if each.name == name)
    check("matchers", host, handled(bot) == sorted([*ids(20), "last"]))
    assert there.calls.qsize() == 31
    assert shutdowns(bot) == SHUTDOWN


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
@pytest.mark.not_under("hypercorn", "it waits until the peers have closed")
@pytest.mark.not_under("uvicorn", "it closes the WebSockets first")
@pytest.mark.not_under("Starlette", "uvicorn runs it")
@pytest.mark.parametrize(
    "make", [lambda i: message_event(f"/work {i}"), None], ids=["plain", "reply"]
)
async def test_reverse_websocket(
    hosted_driver: Candidate,
    tmp_path: Path,
    client: aiohttp.ClientSession,
    make: Callable[[int], dict[str, Any]] | None,
) -> None:
    count = 50
    # gunicorn looks at its signals once a second.
    seconds = 2 if hosted_driver.host == "gunicorn" else 0.5
    async with running(
        "events_bot", hosted_driver, tmp_path, **options(work_seconds=seconds)
    ) as bot:
        async with connect(client, bot.url("/onebot/v11/ws", scheme="ws")) as ws:
            answers = Answers(ws, at_once=make is not None)
            for number in range(count):
                event = make(number) if make else reply_to(7, f"/work {number}")
                await ws.send_str(json.dumps(event))
            if make:
                await bot.note("begun", count)
            else:
                # The adapter waits for the message that is replied to: no matcher has begun.
                await eventually(lambda: answers.calls == ["get_msg"] * count, "the look-ups")
            bot.send_stop()
            await eventually(lambda: f"{count} event(s) in flight" in bot.log, "the drain")
            answers.go.set()
            assert await answers.end() == 1001
        assert await bot.ended() == 0
    assert handled(bot) == ids(count)
    assert shutdowns(bot) == SHUTDOWN


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
@pytest.mark.parametrize("is_reply", [False, True], ids=["plain", "reply"])
async def test_forward_websocket(
    forward_driver: Candidate, tmp_path: Path, there: Platform, is_reply: bool
) -> None:
    settings = options(onebot_ws_urls=[there.ws_url])
    async with running("events_bot", forward_driver, tmp_path, **settings) as bot:
        ws = await there.arrival()
        answers = Answers(ws, at_once=not is_reply)
        for number in range(20):
            text = f"/work {number}"
            event = reply_to(7, text) if is_reply else message_event(text)
            await ws.send_str(json.dumps(event))
        if is_reply:
            await eventually(lambda: answers.calls == ["get_msg"] * 20, "the look-ups")
        else:
            await bot.note("begun", 20)
        bot.send_stop()
        await eventually(lambda: "20 event(s) in flight" in bot.log, "the drain")
        answers.go.set()
        await answers.end()
        assert await bot.ended() == 0
    assert handled(bot) == ids(20)


async def test_webhooks_beside_nonebots_own_server(
    tmp_path: Path, there: Platform, client: aiohttp.ClientSession
) -> None:
    """The client half alone waits for events before the first shutdown function runs."""
    beside = Candidate(f"~fastapi+{OURS}")
    async with running("events_bot", beside, tmp_path, **options(there)) as bot:
        for number in range(20):
            assert await post(client, bot, message_event(f"/work {number}")) == 204
        await bot.stop()
    assert handled(bot) == ids(20)
    assert shutdowns(bot) == SHUTDOWN


# The deadline


async def test_at_the_deadline_events_are_cut_off_before_the_shutdown_functions(
    bot_driver: Candidate, tmp_path: Path, there: Platform, client: aiohttp.ClientSession
) -> None:
    settings = options(there, aiohttp_drain_timeout=1, aiohttp_close_timeout=2)
    async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
        for name in ("one", "two"):
            assert await post(client, bot, message_event(f"/hang {name}")) == 204
        await bot.note("begun", 2)
        await bot.stop()
    assert f"Cut off 2 event(s) of OneBot V11, bot {SELF_ID}, that had not ended" in bot.log
    whats = [entry["what"] for entry in bot.journal]
    assert whats[-5:] == ["cut off", "cut off", *SHUTDOWN]
    assert bot.log.rstrip().endswith("Stopped; not all that ran has ended")


async def test_an_api_call_that_nobody_answers_ends_with_the_deadline(
    bot_driver: Candidate, tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    """OneBot v12 waits in its shutdown function for its own tasks, up to 10 seconds."""
    settings = options(aiohttp_drain_timeout=1, adapters=["onebot12"])
    async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
        headers = {
            "Sec-WebSocket-Protocol": "12.me",
            "User-Agent": "OneBot/12 (me) me/1.0",
        }
        url = bot.url("/onebot/v12/ws", scheme="ws")
        async with client.ws_connect(url, headers=headers) as ws:
            for event in onebot12_events("/work one"):
                await ws.send_str(json.dumps(event))
            await bot.note("begun")
            call = await within(ws.receive_json())
            assert call["action"] == "send_message"
            began = time.monotonic()
            bot.send_stop()
            assert (await within(ws.receive())).type is aiohttp.WSMsgType.CLOSE
        assert await bot.ended() == 0
        assert time.monotonic() - began < 6
    assert "Cut off 1 event(s) of OneBot V12" in bot.log
    assert shutdowns(bot) == SHUTDOWN


def onebot12_events(text: str) -> list[dict[str, Any]]:
    """Make the events that connect a bot of OneBot 12, and a private message."""
    me = {"platform": "qq", "user_id": SELF_ID}
    meta = {"id": "m1", "time": 1_700_000_000.0, "type": "meta", "sub_type": ""}
    version = {"impl": "me", "version": "1.0", "onebot_version": "12"}
    status = {"good": True, "bots": [{"self": me, "online": True}]}
    message = {
        "id": "e1",
        "self": me,
        "time": 1_700_000_000.0,
        "type": "message",
        "detail_type": "private",
        "sub_type": "",
        "message_id": "1",
        "message": [{"type": "text", "data": {"text": text}}],
        "alt_message": text,
        "user_id": "20002",
    }
    return [
        {**meta, "detail_type": "connect", "version": version},
        {**meta, "id": "m2", "detail_type": "status_update", "status": status},
        message,
    ]


@pytest.mark.promise("life: a hook that hangs does not skip those behind it")
async def test_a_shutdown_function_that_hangs_does_not_skip_those_behind_it(
    bot_driver: Candidate, tmp_path: Path
) -> None:
    settings = options(aiohttp_drain_timeout=1, aiohttp_close_timeout=2, shutdown_hangs=True)
    async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
        await bot.stop()
    assert shutdowns(bot) == SHUTDOWN
    assert "Cut off the shutdown function __main__.shutdown_that_may_hang" in bot.log


async def test_a_thread_that_hangs_holds_up_no_end(
    bot_driver: Candidate, tmp_path: Path, there: Platform, client: aiohttp.ClientSession
) -> None:
    settings = options(there, aiohttp_drain_timeout=1, aiohttp_close_timeout=1)
    async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
        assert await post(client, bot, message_event("/block thread")) == 204
        await bot.note("begun")
        began = time.monotonic()
        bot.send_stop()
        assert await bot.ended() == 0
        assert time.monotonic() - began < 10
    assert "Ended without thread(s) that had not ended: AnyIO worker thread" in bot.log
    assert "in __main__.do_block" in bot.log


# What comes meanwhile


async def test_events_that_come_over_a_socket_meanwhile_are_handled_and_prolong_nothing(
    bot_driver: Candidate, tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    settings = options(work_seconds=0.2, aiohttp_drain_timeout=60)
    async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
        async with connect(client, bot.url("/onebot/v11/ws", scheme="ws")) as ws:
            answers = Answers(ws, at_once=False)
            await ws.send_str(json.dumps(message_event("/work before")))
            await eventually(lambda: answers.calls, "the API call")
            bot.send_stop()
            await eventually(lambda: "1 event(s) in flight" in bot.log, "the drain")
            await ws.send_str(json.dumps(message_event("/hang meanwhile")))
            await bot.note("begun", 2)
            answers.go.set()
            assert await answers.end() == 1001
        assert await bot.ended() == 0
    assert handled(bot) == ["before"]
    came = f"Cut off 1 event(s) of OneBot V11, bot {SELF_ID}, that came after the stop began"
    assert came in bot.log
    assert bot.log.rstrip().endswith("Stopped")


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_events_that_are_polled_meanwhile_are_handled(
    forward_driver: Candidate, tmp_path: Path
) -> None:
    async with telegram() as there:
        bots = [{"token": TELEGRAM_TOKEN, "api_server": there.api_server, "is_webhook": False}]
        settings = {"adapters": ["telegram"], "telegram_bots": bots, "work_seconds": 1}
        async with running("events_bot", forward_driver, tmp_path, **settings) as bot:
            await there.offer("/work before")
            await bot.note("begun")
            bot.send_stop()
            await eventually(lambda: "1 event(s) in flight" in bot.log, "the drain")
            await there.offer("/work meanwhile")
            assert await bot.ended() == 0
    assert handled(bot) == ["before", "meanwhile"]


# Other adapters


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_telegram_by_webhook(bot_driver: Candidate, tmp_path: Path) -> None:
    async with telegram() as there:
        bots = [{"token": TELEGRAM_TOKEN, "api_server": there.api_server, "is_webhook": True}]
        settings = {
            "adapters": ["telegram"],
            "telegram_bots": bots,
            "telegram_webhook_url": "https://bot.example",
            "work_seconds": 0.5,
        }
        async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
            await eventually(lambda: there.webhook, "the webhook")
            for number in range(20):
                assert await push(there, bot.url("/telegram"), f"/work {number}") == 204
            await bot.stop()
    assert handled(bot) == ids(20)


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_discord_by_its_gateway(bot_driver: Candidate, tmp_path: Path) -> None:
    async with discord() as there:
        settings = {
            "adapters": ["discord"],
            "discord_bots": [{"token": DISCORD_TOKEN, "intent": {"message_content": True}}],
            "discord_api": there.api,
            "work_seconds": 0.5,
        }
        async with running("events_bot", bot_driver, tmp_path, **settings) as bot:
            gateway = await within(there.arrivals.get(), 30)
            for number in range(20):
                await there.say(gateway, f"/work {number}")
            await bot.note("begun", 20)
            bot.send_stop()
            assert await bot.ended() == 0
    assert handled(bot) == ids(20)
