"""HTTP polling: when its bots are connected, and when they leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import Driver, HTTPRequest
from nonebot_aiohttp.adapters import create_bot
from tests.support import scripts
from tests.support.bots import RecordingBot
from tests.support.clock import FakeClock
from tests.support.forward import clocked_driver, polling
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

Adapter = type[RecordingBot]


# Bots


@pytest.mark.promise("registry: polling bots are in bots from the first answer to the loop's end")
async def test_a_bot_is_connected_from_its_first_answer_to_the_end_of_its_loop(
    driver: Driver, hooks: list[str], fake_clock: FakeClock
) -> None:
    ok, bad = scripts.status(200, b"event"), scripts.status(503)
    async with ScriptedServer(bad, ok, bad, ok, ok) as server:
        driver.setup_http_polling(polling(server.url))
        async with driver.lifespan():
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


async def test_the_bots_driver_is_the_one_that_polls(driver: Driver, adapter: Adapter) -> None:
    other = clocked_driver(FakeClock(), adapter)
    assert adapter.driver is other
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        driver.setup_http_polling(polling(server.url))
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
            assert driver.bots["1"].driver is driver
            assert driver.bots["1"].config is driver.config


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


@pytest.mark.promise("registry: a late cleanup never evicts a successor")
async def test_a_late_end_does_not_evict_the_successor(
    driver: Driver, adapter: Adapter, hooks: list[str], fake_clock: FakeClock
) -> None:
    """Trap: the old one's disconnect deletes the new one from `bots` (a16)."""
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        driver.setup_http_polling(polling(server.url))
        async with driver.lifespan():
            await fake_clock.slept(1)
            polled = driver.bots["1"]
            successor = create_bot(adapter, driver, "1", polled.request)
            driver._bot_connect(successor)
        assert driver.bots == {"1": successor}
        driver._bot_disconnect(successor)


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


@pytest.mark.promise("registry: disconnect hooks of a bot wait for its connect hooks")
async def test_hooks_of_one_bot_run_one_after_the_other(
    driver: Driver, fake_clock: FakeClock
) -> None:
    order: list[str] = []
    released = asyncio.Event()

    async def connected(bot: RecordingBot) -> None:
        order.append("connecting")
        await released.wait()
        order.append("connected")

    driver.on_bot_connect(connected)
    driver.on_bot_disconnect(lambda bot: order.append("left"))
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        driver.setup_http_polling(polling(server.url))
        await driver._lifespan.start()
        await fake_clock.slept(1)
        stopping = asyncio.ensure_future(driver._lifespan.stop())
        await eventually(lambda: not driver.bots)
        assert order == ["connecting"]
        released.set()
        await within(stopping)
    assert order == ["connecting", "connected", "left"]


async def test_a_polling_bot_calls_apis_over_the_shared_session(
    driver: Driver, fake_clock: FakeClock
) -> None:
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        driver.setup_http_polling(polling(server.url))
        async with driver.lifespan():
            await fake_clock.slept(1)
            session = driver.session
            async with session.get(server.url) as response:
                assert await response.read() == b"event"
            assert driver.session is session
