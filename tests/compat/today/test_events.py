"""Trap: an acknowledged event was lost at the stop, because its adapter had its own task for it.

Each stop is a SIGTERM that comes while matchers wait. More adapters are in ``tests/adapters``.
"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing.bots import base as bots
from tests.process.hosts import HOSTS
from tests.process.observing import check
from tests.support.waiting import eventually

from ..support.choice import OURS, Candidate
from ..support.onebot import SELF_ID, Platform, answer, message_event
from ..support.process import Bot
from ..support.telegram import polled, update

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.stock_is_wrong("~fastapi", "it does not wait for matchers"),
    pytest.mark.stock_is_wrong("~none", "it does not wait for matchers"),
]


def options(there: Platform | None = None, **more: Any) -> dict[str, Any]:
    """Make the configuration of a bot of OneBot's."""
    settings: dict[str, Any] = {"adapters": ["onebot"], "work_seconds": 0.5, **more}
    if there is not None:
        settings["onebot_api_roots"] = {SELF_ID: there.api_root}
    return settings


def handled(bot: Any) -> list[str]:
    """List the events that were handled to their end."""
    return sorted(entry["id"] for entry in bot.all_told("handled"))


def is_in_order(bot: Bot) -> bool:
    """Tell whether the shutdown function has run, after the last event."""
    ends = ("handled", "cut off", "shutdown")
    order = [entry["what"] for entry in bot.all_told() if entry["what"] in ends]
    return order.index("shutdown") == len(order) - 1


def ids(count: int) -> list[str]:
    return sorted(str(number) for number in range(count))


async def post(there: Platform, bot: bots.Bot, event: dict[str, Any]) -> int:
    return (await there.post_event(bot.url("/onebot/v11/"), event)).status


def reply_to(number: int, text: str) -> dict[str, Any]:
    """Make an event that replies to a message, which the adapter looks up by an API call."""
    event = message_event(text)
    reply = {"type": "reply", "data": {"id": str(number)}}
    event["message"].insert(0, reply)
    return event


class Answers:
    """The platform's side of a WebSocket: it answers API calls once `go` is set."""

    def __init__(self, connection: testing.Connection) -> None:
        self.connection = connection
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._serve())

    @property
    def calls(self) -> list[str]:
        return [message.json["action"] for message in self.connection.messages]

    async def _serve(self) -> None:
        await self.go.wait()
        while True:
            await answer(await self.connection.expect(deadline=60))

    async def end(self) -> int:
        """Wait for the end of the connection and return the close code."""
        code = (await self.connection.closed(deadline=30)).code
        self.task.cancel()
        await asyncio.wait({self.task})
        return code


# Every host


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_webhooks_under_every_host(
    hosted_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    async with Bot("adapters_bot", hosted_driver, tmp_path, **options(there)) as bot:
        for number in range(10):
            assert await post(there, bot, message_event(f"/work {number}")) == 204
            # The adapter waits for the message that is replied to: no matcher has begun.
            assert await post(there, bot, reply_to(7, f"/work {number + 10}")) == 204
        await bot.told("begun", 10)
        await eventually(lambda: len(there.api.calls) >= 10, what="the look-ups")
        # One more, whose task may not have run yet when the stop comes.
        assert await post(there, bot, message_event("/work last")) == 204
        bot.signal(signal.SIGTERM)
        await eventually(
            lambda: "event(s) in flight" in bot.text or not bot.is_running, what="the drain"
        )
        there.answer_look_ups()
        assert await bot.ended() in bot.candidate.exit_codes
    assert "Traceback" not in bot.text
    (host,) = (each for each in HOSTS if each.name == hosted_driver.documented)
    check("matchers", host, handled(bot) == sorted([*ids(20), "last"]))
    assert len(there.api.calls) == 31
    assert is_in_order(bot)


async def send_events(connection: testing.Connection, bot: Bot, count: int) -> Answers:
    """Send as many plain events as replies, and stop the bot while all of them are in flight."""
    answers = Answers(connection)
    for number in range(count):
        await connection.send(message_event(f"/work {number}"))
        # The adapter waits for the message that is replied to: no matcher has begun.
        await connection.send(reply_to(7, f"/work {number + count}"))
    await bot.told("begun", count)
    await eventually(lambda: answers.calls.count("get_msg") == count, what="the look-ups")
    bot.signal(signal.SIGTERM)
    await bot.logged(f"{2 * count} event(s) in flight")
    answers.go.set()
    return answers


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
@pytest.mark.not_under("hypercorn", "it waits until the peers have closed")
@pytest.mark.not_under("uvicorn", "it closes the WebSockets first")
@pytest.mark.not_under("Starlette", "uvicorn runs it")
async def test_reverse_websocket(hosted_driver: Candidate, tmp_path: Path, there: Platform) -> None:
    # gunicorn looks at its signals once a second.
    settings = options(work_seconds=2 if hosted_driver.host == "gunicorn" else 0.5)
    async with Bot("adapters_bot", hosted_driver, tmp_path, **settings) as bot:
        async with there.reverse(bot.ws_url("/onebot/v11/ws")) as connection:
            answers = await send_events(connection, bot, 25)
            assert await answers.end() == 1001
        assert await bot.ended() == 0
    assert handled(bot) == ids(50)
    assert is_in_order(bot)


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_forward_websocket(
    forward_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    settings = options(onebot_ws_urls=[there.forward_url])
    async with Bot("adapters_bot", forward_driver, tmp_path, **settings) as bot:
        answers = await send_events(await there.connected(deadline=30), bot, 10)
        await answers.end()
        assert await bot.ended() == 0
    assert handled(bot) == ids(20)


async def test_webhooks_beside_nonebots_own_server(tmp_path: Path, there: Platform) -> None:
    """The client half alone waits for events before the first shutdown function runs."""
    beside = Candidate(f"~fastapi+{OURS}")
    async with Bot("adapters_bot", beside, tmp_path, **options(there)) as bot:
        for number in range(20):
            assert await post(there, bot, message_event(f"/work {number}")) == 204
        await bot.stop()
    assert handled(bot) == ids(20)
    assert is_in_order(bot)


# The deadline


async def test_at_the_deadline_events_are_cut_off_before_the_shutdown_functions(
    bot_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    settings = options(there, aiohttp_drain_timeout=1, aiohttp_close_timeout=2)
    async with Bot("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        for name in ("one", "two"):
            assert await post(there, bot, message_event(f"/hang {name}")) == 204
        await bot.told("begun", 2)
        await bot.stop()
    assert f"Cut off 2 event(s) of bot {SELF_ID} of OneBot V11 that had not ended" in bot.text
    assert len(bot.all_told("cut off")) == 2
    assert is_in_order(bot)
    assert bot.log[-1].endswith("Stopped; not all that ran has ended")


async def test_a_thread_that_hangs_does_not_delay_the_end(
    bot_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    settings = options(there, aiohttp_drain_timeout=1, aiohttp_close_timeout=1)
    async with Bot("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        assert await post(there, bot, message_event("/block thread")) == 204
        await bot.told("begun")
        began = time.monotonic()
        bot.signal(signal.SIGTERM)
        assert await bot.ended() == 0
        assert time.monotonic() - began < 10
    assert "Ended without thread(s) that had not ended: AnyIO worker thread" in bot.text
    assert "in __main__.do_block" in bot.text


# What comes meanwhile


async def test_events_that_come_over_a_socket_meanwhile_are_handled_and_prolong_nothing(
    bot_driver: Candidate, tmp_path: Path, there: Platform
) -> None:
    settings = options(work_seconds=0.2, aiohttp_drain_timeout=60)
    async with Bot("adapters_bot", bot_driver, tmp_path, **settings) as bot:
        async with there.reverse(bot.ws_url("/onebot/v11/ws")) as connection:
            answers = Answers(connection)
            await connection.send(message_event("/work before"))
            await eventually(lambda: answers.calls, what="the API call")
            bot.signal(signal.SIGTERM)
            await bot.logged("1 event(s) in flight")
            await connection.send(message_event("/hang meanwhile"))
            await bot.told("begun", 2)
            answers.go.set()
            assert await answers.end() == 1001
        assert await bot.ended() == 0
    assert handled(bot) == ["before"]
    came = f"Cut off 1 event(s) of bot {SELF_ID} of OneBot V11 that came after the stop began"
    assert came in bot.text
    assert bot.log[-1].endswith("Stopped")


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_events_that_are_polled_meanwhile_are_handled(
    forward_driver: Candidate, tmp_path: Path
) -> None:
    async with testing.Platform() as there:
        updates, settings = polled(there)
        settings["work_seconds"] = 1
        async with Bot("adapters_bot", forward_driver, tmp_path, **settings) as bot:
            updates.put(update("/work before"))
            await bot.told("begun")
            bot.signal(signal.SIGTERM)
            await bot.logged("1 event(s) in flight")
            updates.put(update("/work meanwhile"))
            assert await bot.ended() == 0
    assert handled(bot) == ["before", "meanwhile"]
