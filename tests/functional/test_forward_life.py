"""When forward connections of both ways start, and how they stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.forward.base import ForwardLoop
from tests.support import scripts
from tests.support.bots import Adapter, RecordingBot
from tests.support.clock import FakeClock
from tests.support.forward import (
    FIRST_DELAY,
    WEBSOCKET,
    Way,
    clocked_driver,
    making,
    warnings,
    websocket,
)
from tests.support.logs import Logs
from tests.support.server import Script, ScriptedServer
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

# Start


@pytest.mark.promise("life: session, startup hooks, accepting, forward loops: in this order")
async def test_loops_start_after_the_startup_hooks(
    way: Way, driver: Driver, adapter: Adapter
) -> None:
    """Trap: events were handled before `on_startup` had finished (nonebot2#2475)."""
    ready = asyncio.Event()
    driver.on_startup(ready.wait)
    async with ScriptedServer(way.good) as server:
        way.add(driver, way.setup(way.url(server)))
        starting = asyncio.ensure_future(driver._lifespan.start())
        await settle(100)
        assert not server.attempts
        ready.set()
        await within(starting)
        await eventually(lambda: adapter.messages)
        await driver._lifespan.stop()


@pytest.mark.parametrize("where", ["startup hook", "running"])
async def test_a_setup_may_come_late(
    way: Way, driver: Driver, adapter: Adapter, where: str
) -> None:
    async with ScriptedServer(way.good) as server:

        def add() -> None:
            way.add(driver, way.setup(way.url(server)))

        if where == "startup hook":
            driver.on_startup(add)
        async with driver.lifespan():
            if where == "running":
                add()
            await eventually(lambda: adapter.messages)
        assert len(server.attempts) == 1


async def test_forward_can_be_turned_off(way: Way, fake_clock: FakeClock, adapter: Adapter) -> None:
    driver = clocked_driver(fake_clock, adapter, forward=False)
    async with way.running(driver, way.good) as server:
        way.add(driver, way.setup(way.url(server)))
        await settle(100)
    assert not server.attempts


async def test_one_adapter_serves_two_drivers(
    way: Way, fake_clock: FakeClock, adapter: Adapter
) -> None:
    drivers = [clocked_driver(fake_clock, adapter) for _ in range(2)]
    async with ScriptedServer(way.good) as server:
        way.add(drivers[0], way.setup(way.url(server), self_id="1"))
        way.add(drivers[1], way.setup(way.url(server), self_id="2"))
        async with drivers[0].lifespan(), drivers[1].lifespan():
            await eventually(lambda: len(adapter.messages) == 2)
            assert list(drivers[0].bots) == ["1"]
            assert list(drivers[1].bots) == ["2"]
            assert [driver.bots[id_].driver for driver, id_ in zip(drivers, "12", strict=True)] == (
                drivers
            )


async def test_a_loop_that_breaks_is_heard_of_and_the_others_go_on(
    way: Way, driver: Driver, adapter: Adapter, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    def report(loop: Any, error: Exception) -> float:
        raise ZeroDivisionError from error

    monkeypatch.setattr(ForwardLoop, "_report", report)
    async with ScriptedServer(way.good) as server:
        way.add(driver, making(way.setup("nowhere")))
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
            assert logs.matching("A forward loop broke, which is a bug", "CRITICAL")


# Stop


STOPPED_IN: dict[str, Callable[[Way], Script]] = {
    "backoff": lambda way: scripts.status(503, b"", {"Retry-After": "3600"}),
    "handshake": lambda way: scripts.hang(),
    "body": lambda way: scripts.truncated_body(stall=True),
    "serving": lambda way: way.good,
}


@pytest.mark.promise("forward: stopping interrupts every wait at once")
@pytest.mark.parametrize("where", STOPPED_IN)
async def test_the_stop_interrupts_every_wait_at_once(
    way: Way, driver: Driver, fake_clock: FakeClock, logs: Logs, where: str
) -> None:
    """Trap: python-telegram-bot's stop during its backoff took 5.8 s."""
    async with way.running(driver, STOPPED_IN[where](way)) as server:
        await server.request(1)
        if where == "backoff":
            await fake_clock.slept(1)
        if where == "serving":
            await eventually(lambda: driver.bots)
        await settle()
        logs.clear()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 1
    await settle()
    assert len(server.attempts) == 1
    assert not driver.bots
    # The stop is not logged as a failure.
    assert not warnings(logs)


@pytest.mark.promise("forward: stopping interrupts every wait at once")
async def test_the_stop_interrupts_a_factory(way: Way, driver: Driver) -> None:
    ended: list[str] = []

    async def factory() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cancelled")

    way.add(driver, factory)
    async with driver.lifespan():
        await settle()
    assert ended == ["cancelled"]


async def test_a_handler_that_is_in_flight_ends_before_its_bot_leaves(
    way: Way, fake_clock: FakeClock, logs: Logs
) -> None:
    released, order = asyncio.Event(), []

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            await released.wait()
            order.append(f"handled with {list(self.driver.bots)}")

    driver = clocked_driver(fake_clock, Recorder)
    driver.on_bot_disconnect(lambda bot: order.append(f"bot {bot.self_id} left"))
    driver.on_shutdown(lambda: order.append(f"session open: {not driver.session.closed}"))
    async with ScriptedServer(way.good) as server:
        way.add(driver, way.setup(way.url(server)))
        await driver._lifespan.start()
        await eventually(lambda: Recorder.messages)
        stopping = asyncio.ensure_future(driver._lifespan.stop())
        await settle()
        assert not stopping.done()
        released.set()
        await within(stopping)
    assert order == ["handled with ['1']", "bot 1 left", "session open: True"]
    assert not logs.messages("ERROR")


async def test_an_adapter_that_cannot_make_its_bot_is_a_failed_attempt(
    way: Way, fake_clock: FakeClock, logs: Logs
) -> None:
    class Recorder(RecordingBot):
        failing = True

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            if self.failing:
                raise ValueError("cannot be made")

    driver = clocked_driver(fake_clock, Recorder)
    async with way.running(driver, way.good) as server:
        assert await fake_clock.slept(1) == FIRST_DELAY
        # The connection does not stay open without a reader; a poll is not even sent.
        await eventually(lambda: all(attempt.ended for attempt in server.attempts))
        assert len(server.attempts) == (1 if way is WEBSOCKET else 0)
        assert not driver.bots
        Recorder.failing = False
        await fake_clock.advance_to_next()
        await eventually(lambda: Recorder.messages)
    assert "ValueError: cannot be made" in warnings(logs)[0]


async def test_what_comes_after_the_stop_has_begun_is_not_started(
    way: Way, driver: Driver, adapter: Adapter
) -> None:
    async with ScriptedServer(way.good) as server:
        driver.on_shutdown(lambda: way.add(driver, way.setup(way.url(server))))
        async with driver.lifespan():
            pass
        await settle(100)
        assert not server.attempts
        # But it is kept for the next start.
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)


# What does not end


async def ignore_cancellations(entered: asyncio.Event, released: asyncio.Event) -> None:
    entered.set()
    while not released.is_set():
        with suppress(asyncio.CancelledError):
            await released.wait()


async def test_a_factory_that_does_not_end_holds_up_no_stop(
    way: Way, driver: Driver, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.life.waiting.CANCEL_GRACE", 0.01)
    entered, released = asyncio.Event(), asyncio.Event()
    way.add(driver, lambda: ignore_cancellations(entered, released))
    await driver._lifespan.start()
    await within(entered.wait())
    await within(driver._lifespan.stop())
    (error,) = logs.messages("ERROR")
    assert "<lambda>: left something that did not end when it was cancelled" in error
    released.set()
    await settle()


async def test_a_loop_that_does_not_end_holds_up_no_stop(
    driver: Driver, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.life.deadline.GRACE", 0.01)
    driver._lifespan._close_timeout = 0.01
    entered, released = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(
        "nonebot_aiohttp.forward.loops.ReconnectLoop.run",
        lambda _: ignore_cancellations(entered, released),
    )
    driver.setup_websocket(websocket("ws://127.0.0.1"))
    await driver._lifespan.start()
    await within(driver._lifespan.stop())
    assert logs.messages("ERROR") == [
        "The forward WebSocket: left something that did not end when it was cancelled"
    ]
    released.set()
    await settle()
