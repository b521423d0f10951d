"""The stop in its order: requests, WebSockets, their handle functions, NoneBot's shutdown."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import eventually, within

from ..support.choice import Candidate
from ..support.network import is_listening
from ..support.process import Bot
from ..support.recorder import Recorder
from .test_hosts import whats

pytestmark = [
    pytest.mark.not_under("hypercorn", "it waits until the peers have closed"),
    pytest.mark.not_under("serve", "it stops as run() does"),
]


@pytest.fixture
async def bot(hosted_driver: Candidate, tmp_path: Path, recorder: Recorder) -> AsyncIterator[Bot]:
    """A bot whose platform lets its request for `/held` wait."""
    async with held_bot(hosted_driver, tmp_path, recorder) as bot:
        yield bot


@asynccontextmanager
async def held_bot(
    candidate: Candidate, folder: Path, recorder: Recorder, **settings: Any
) -> AsyncIterator[Bot]:
    """Run a bot with a platform whose answer to `/held` waits for the release."""
    recorder.stall("/held")
    settings["platform"] = recorder.url("")
    async with Bot("hosted_bot", candidate, folder, **settings) as bot:
        yield bot


async def echo(ws: Any, text: str) -> None:
    await ws.send_str(text)
    assert await within(ws.receive_str()) == text


async def test_order(bot: Bot, client: aiohttp.ClientSession, recorder: Recorder) -> None:
    url = bot.url("/line", scheme="ws")
    async with client.ws_connect(url) as ws:
        await echo(ws, "before")
        request = asyncio.create_task(client.get(bot.url("/held")))
        await eventually(lambda: recorder.seen, what="the request of the handle function")
        bot.signal(signal.SIGTERM)
        await eventually(lambda: not is_listening(bot.port), what="the port's closing")
        if not closes_sockets_first(bot):
            await echo(ws, "meanwhile")
            recorder.release.set()
        assert await close_code(ws) == (1012 if closes_sockets_first(bot) else 1001)
        recorder.release.set()
        async with await within(request) as got:
            assert (got.status, await got.text()) == (200, "finished")
    assert await bot.ended() in bot.candidate.exit_codes
    assert "Traceback" not in bot.text
    assert_ordered(whats(bot))


def closes_sockets_first(bot: Bot) -> bool:
    """Tell whether the host is uvicorn, which closes WebSockets by itself."""
    return -15 in bot.candidate.exit_codes


async def close_code(ws: Any) -> Any:
    """Wait for the close frame and return its code."""
    message = await within(ws.receive())
    assert message.type is aiohttp.WSMsgType.CLOSE
    return message.data


def assert_ordered(noted: list[Any]) -> None:
    """Assert that everything has ended before what it needs."""
    for order in (
        ["asked: held", "shutdown 2", "shutdown 1", "asked: shutdown", "background has ended"],
        ["closed", "asked: cleanup", "shutdown 2"],
        ["asked: cleanup", "asked: disconnected-guest"],
        ["shutdown 2", "asked: disconnected-resident"],
    ):
        assert [what for what in noted if what in order] == order


@pytest.mark.stock_is_wrong("~fastapi", "uvicorn waits for requests without limit")
@pytest.mark.not_under("uvicorn", "it waits for requests without limit")
@pytest.mark.not_under("Starlette", "uvicorn runs it")
async def test_deadline(
    hosted_driver: Candidate, tmp_path: Path, recorder: Recorder, client: aiohttp.ClientSession
) -> None:
    """What does not end is cut off; the shutdown still runs then, with a session."""
    async with (
        held_bot(hosted_driver, tmp_path, recorder, aiohttp_drain_timeout=0.1) as bot,
        client.ws_connect(bot.url("/deaf", scheme="ws")) as ws,
    ):
        request = asyncio.create_task(client.get(bot.url("/held")))
        await eventually(lambda: len(recorder.seen) == 2, what="what the handle functions ask for")
        bot.signal(signal.SIGTERM)
        assert await close_code(ws) == 1001
        assert await bot.ended() == 0
        recorder.release.set()
        await asyncio.wait({request})
        if request.exception() is None:
            request.result().close()
    assert "Cut off 1 HTTP handler(s) of GET /held" in bot.text
    assert "Cut off 1 WebSocket handler(s) of /deaf" in bot.text
    assert "Traceback" not in bot.text
    assert [entry["status"] for entry in bot.all_told("asked: shutdown")] == [200]
