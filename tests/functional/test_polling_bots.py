"""HTTP polling: when its bots are connected, and when they leave."""

from __future__ import annotations

from typing import Any

import pytest

from nonebot_aiohttp import Driver, HTTPRequest
from nonebot_aiohttp.adapters import create_bot
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, polling
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

# Bots


@pytest.mark.promise("registry: polling bots are in bots from the first answer to the loop's end")
async def test_a_bot_is_connected_from_its_first_answer_to_the_end_of_its_loop(
    driver: Driver, hooks: list[str], fake_clock: FakeClock
) -> None:
    ok, bad = scripts.status(200, b"event"), scripts.status(503)
    async with POLLING.running(driver, bad, ok, bad, ok, ok):
        await fake_clock.slept(1)
        assert not driver.bots
        await fake_clock.advance_to_next()
        await fake_clock.slept(2)
        bot = driver.bots["1"]
        for number in (3, 4, 5):
            await fake_clock.advance_to_next()
            await fake_clock.slept(number)
            # An outage is no end: the next answer finds the same bot.
            assert driver.bots == {"1": bot}
        assert hooks == ["1 connected"]
    assert not driver.bots
    assert hooks == ["1 connected", "1 left"]


async def test_an_id_that_another_connection_holds_is_entered_when_it_leaves(
    driver: Driver, adapter: Adapter, hooks: list[str], fake_clock: FakeClock
) -> None:
    request = HTTPRequest("1.1", "http", "/")
    other = create_bot(adapter, driver, "1", request)
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        driver.setup_http_polling(polling(server.url))
        driver.on_startup(lambda: driver._bot_connect(other))
        async with driver.lifespan():
            await fake_clock.slept(1)
            assert driver.bots == {"1": other}
            # Its events are handled all the same.
            assert adapter.messages == [b"event"]
            driver._bot_disconnect(other)
            await fake_clock.advance_to_next()
            await fake_clock.slept(2)
            assert driver.bots["1"] is not other
            await settle()
            assert hooks == ["1 connected", "1 left", "1 connected"]
    assert hooks[3:] == ["1 left"]


async def test_a_factory_may_change_the_bot(
    driver: Driver, hooks: list[str], fake_clock: FakeClock
) -> None:
    ids = ["a", "a", "b"]
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        driver.setup_http_polling(lambda: _make(polling(server.url, self_id=ids.pop(0))))
        async with driver.lifespan():
            for number in (1, 2):
                await fake_clock.slept(number)
                assert list(driver.bots) == ["a"]
                await fake_clock.advance_to_next()
            await fake_clock.slept(3)
            assert list(driver.bots) == ["b"]
    assert sorted(hooks) == ["a connected", "a left", "b connected", "b left"]
    assert hooks[-1] == "b left"


async def test_a_bot_leaves_when_its_loop_has_ended_for_good(
    driver: Driver, hooks: list[str], fake_clock: FakeClock
) -> None:
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        setups = [polling(server.url), polling("nowhere")]
        driver.setup_http_polling(lambda: _make(setups.pop(0)))
        async with driver.lifespan():
            await fake_clock.advance_to_next()
            await eventually(lambda: not driver.bots)
            await settle()
            assert hooks == ["1 connected", "1 left"]


async def _make(setup: Any) -> Any:
    return setup


async def test_a_polling_bot_calls_apis_over_the_shared_session(
    driver: Driver, fake_clock: FakeClock
) -> None:
    async with POLLING.running(driver, scripts.status(200, b"event")) as server:
        await fake_clock.slept(1)
        session = driver.session
        async with session.get(server.url) as response:
            assert await response.read() == b"event"
        assert driver.session is session
