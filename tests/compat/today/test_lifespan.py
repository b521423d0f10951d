"""The life of a bot process: hooks in their order, in one task, and a stop that finishes work."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ..support.choice import Candidate
from ..support.network import eventually, is_listening, within
from ..support.process import Bot, running

STARTED = ["startup 1", "startup 2", "ready"]
STOPPED = ["shutdown 2", "shutdown 1"]


@pytest.fixture
async def bot(server_driver: Candidate, tmp_path: Path) -> AsyncIterator[Bot]:
    """A bot that notes the steps of its life."""
    async with running("lifespan_bot", server_driver, tmp_path) as bot:
        yield bot


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as client:
        yield client


def steps(bot: Bot) -> list[str]:
    """Return the steps that the bot has taken."""
    return [entry["name"] for entry in bot.noted("step")]


class Gate:
    """A port that the bot's handler connects to and waits at, until it is let go."""

    def __init__(self) -> None:
        self.port = 0
        self.waiting = asyncio.Event()
        self._release = asyncio.Event()

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a connection open until the release."""
        self.waiting.set()
        await self._release.wait()
        writer.close()

    def open(self) -> None:
        """Let everybody go."""
        self._release.set()


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    """A gate that is closed."""
    gate = Gate()
    server = await asyncio.start_server(gate.hold, "127.0.0.1", 0)
    gate.port = server.sockets[0].getsockname()[1]
    yield gate
    gate.open()
    server.close()


async def test_hooks_run_in_order(bot: Bot) -> None:
    assert steps(bot) == STARTED
    await bot.note("background has started")
    await bot.stop()
    assert steps(bot) == STARTED + STOPPED
    assert bot.journal[-1]["what"] == "background has ended"


async def test_all_in_one_task(bot: Bot) -> None:
    await bot.stop()
    assert len({entry["id"] for entry in bot.noted("task")}) == 1


async def test_idle_connections_do_not_hold_up_the_stop(
    bot: Bot, client: aiohttp.ClientSession
) -> None:
    async with client.get(bot.url("/text")) as got:
        assert got.status == 201
    bot.send_stop()
    await eventually(lambda: not bot.is_running, "the end", 8)
    assert steps(bot) == STARTED + STOPPED


async def test_handler_in_flight_is_waited_for(
    bot: Bot, client: aiohttp.ClientSession, gate: Gate
) -> None:
    request = asyncio.create_task(client.get(bot.url(f"/in-flight?port={gate.port}")))
    await within(gate.waiting.wait())
    bot.send_stop()
    await eventually(lambda: not is_listening(bot.port), "the port's closing")
    gate.open()
    async with await within(request) as got:
        assert (got.status, await got.text()) == (200, "finished")
    await bot.ended()
    kinds = [entry.get("name", entry["what"]) for entry in bot.journal]
    assert kinds.index("in flight is done") < kinds.index("shutdown 2")


async def test_websockets_are_closed_and_their_handlers_end_before_the_shutdown(
    bot: Bot, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(bot.url("/ws/echo?name=open", scheme="ws"), autoclose=False) as ws:
        await ws.send_str("open")
        assert await ws.receive_str(timeout=5) == "open"
        bot.send_stop()
        message = await ws.receive(timeout=10)
        await ws.close()
    assert message.type is aiohttp.WSMsgType.CLOSE
    by_us = bot.candidate.is_ours and bot.candidate.host == "run"
    assert message.data == (1001 if by_us else 1012)
    await bot.ended()
    kinds = [entry.get("name", entry["what"]) for entry in bot.journal]
    assert kinds.index("closed open") < kinds.index("shutdown 2")


async def test_failing_startup_ends_the_process(server_driver: Candidate, tmp_path: Path) -> None:
    bot = Bot("lifespan_bot", server_driver, tmp_path, startup_fails=True)
    bot.launch()
    try:
        assert await bot.ended() != 0
    finally:
        bot.kill()
    assert "this hook always fails" in bot.log
    assert "ready" not in steps(bot)
