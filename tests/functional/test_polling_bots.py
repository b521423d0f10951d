"""The bots of polling: beside a WebSocket of the same id, and what they know for the next poll."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.life import tasks
from tests.support import scripts
from tests.support.bots import Adapter, RecordingBot, make_driver
from tests.support.clock import FakeClock
from tests.support.forward import polling, websocket
from tests.support.logs import Logs
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


@pytest.fixture(params=[True, False], ids=["eager", "lazy"])
def eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Start tasks eagerly, where Python can, and as older ones do."""
    monkeypatch.setattr(tasks, "EAGER", request.param and tasks.EAGER)
    return tasks.EAGER


async def test_a_websocket_takes_the_entry_of_a_polling_bot_and_leaves_it(
    driver: Driver, adapter: Adapter, hooks: list[str], fake_clock: FakeClock, logs: Logs
) -> None:
    """Trap: the log said that a connection was replaced, as if there were two programs."""
    async with (
        ScriptedServer(scripts.status(200, b"event")) as polled,
        ScriptedServer(scripts.echo()) as server,
    ):
        driver.setup_http_polling(polling(polled.url))
        async with driver.lifespan():
            await fake_clock.slept(1)
            polls = driver.bots["1"]
            driver.setup_websocket(websocket(server.ws_url, reconnect_interval=100.0))
            await eventually(lambda: driver.bots.get("1") not in (None, polls))
            connected: Any = driver.bots["1"]
            # Polling goes on, by its own bot.
            await fake_clock.advance_to_next()
            await fake_clock.slept(2)
            assert adapter.messages == [b"event"] * 2
            assert driver.bots == {"1": connected}
            await connected.request.close(1000)
            await eventually(lambda: driver.bots == {})
            await fake_clock.advance_to_next()
            await eventually(lambda: driver.bots.get("1") is polls)
    text = "A connection of bot 1 of recorder takes the place of its polling in driver.bots"
    assert logs.matching(text, "INFO")
    assert not logs.matching("replaces the old one")
    assert hooks.count("1 connected") == hooks.count("1 left") == 3


async def test_what_a_handler_does_before_it_waits_comes_before_the_next_poll(
    eager: bool,
) -> None:
    """An offset that the handler keeps is in the next poll, also where polls follow at once."""
    steps: list[str] = []

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            steps.append("handled")
            await asyncio.sleep(0)

    driver = make_driver(Recorder)
    async with ScriptedServer(scripts.status(200, b"event")) as server:

        async def next_poll() -> Any:
            steps.append("asked")
            return polling(server.url, poll_interval=0)

        driver.setup_http_polling(next_poll)
        async with driver.lifespan():
            await eventually(lambda: steps.count("asked") > 2)
    assert steps[:4] == ["asked", "handled", "asked", "handled"]


async def test_a_websocket_is_refused_while_its_id_polls_if_the_setting_says_so(
    adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    driver = make_driver(adapter, aiohttp_duplicate_bot="reject")
    async with (
        ScriptedServer(scripts.status(200, b"event")) as polled,
        ScriptedServer(scripts.echo()) as server,
    ):
        driver.setup_http_polling(polling(polled.url))
        async with driver.lifespan():
            await eventually(lambda: "1" in driver.bots)
            polls = driver.bots["1"]
            driver.setup_websocket(websocket(server.ws_url))
            await eventually(lambda: logs.matching("bot 1 is already connected", "WARNING"))
            assert driver.bots == {"1": polls}
