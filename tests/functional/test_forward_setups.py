"""Setups for both ways to connect: objects, factories, and those that can never work."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import Driver
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, SECRET, Way, tracebacks, warnings
from tests.support.logs import Logs
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

# Setups that can never work


SCHEMES = {
    "polling": "must be an absolute one of http or https",
    "websocket": "must be an absolute one of http or https or ws or wss",
}


@pytest.mark.promise("forward: a setup that can never work ends its loop only")
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"url": f"ftp://h/{SECRET}"}, "its URL ftp://h/*** "),
        ({"url": f"/{SECRET}"}, "its URL <invalid URL> "),
        ({"url": ""}, "its URL <invalid URL> "),
        ({"url": f"http://[{SECRET}"}, "its URL cannot be parsed"),
        ({"url": f"ws://user:{SECRET}@h:99999999/"}, "its URL cannot be parsed"),
        ({"url": None}, "its URL cannot be parsed"),
        ({"adapter": "teapot"}, "no adapter 'teapot' is registered"),
        ({"headers": SECRET}, "its headers must be a mapping of names to values"),
        ({"headers": {"Authorization": None}}, "its headers must be texts without line breaks"),
        ({"headers": {"X": f"{SECRET}\r\nY: 1"}}, "its headers must be texts without line breaks"),
    ],
)
async def test_a_setup_that_can_never_work_ends_its_loop_only(
    way: Way,
    driver: Driver,
    adapter: Adapter,
    fake_clock: FakeClock,
    logs: Logs,
    changes: dict[str, Any],
    text: str,
) -> None:
    """Trap: an unknown adapter was a `KeyError` that ended the loop without a log line (a16)."""
    async with ScriptedServer(way.good) as server:
        way.add(driver, way.setup(**{"url": way.url(server), "self_id": "wrong"} | changes))
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
            (error,) = logs.messages("ERROR")
            assert "of bot wrong" in error
            assert f"has ended for good: SetupError: {text}" in error
            assert SCHEMES[way.name] in error or "its URL " not in text or "parsed" in text
            assert "\n" not in error
        assert len(server.attempts) == 1
    assert SECRET not in logs.output
    assert not warnings(logs)


@pytest.mark.parametrize("seconds", [f"{SECRET}5s", None, float("nan"), "inf", 10**400])
async def test_an_interval_that_is_not_a_number_of_seconds_ends_the_loop(
    way: Way, driver: Driver, logs: Logs, seconds: Any
) -> None:
    way.add(driver, way.setup(f"{way.scheme}://127.0.0.1/", **{way.interval: seconds}))
    async with driver.lifespan():
        await eventually(lambda: logs.messages("ERROR"))
    (error,) = logs.messages("ERROR")
    assert f"SetupError: its {way.interval} must be a number of seconds" in error
    assert SECRET not in logs.output
    assert not warnings(logs)


@pytest.mark.parametrize("method", [None, "", "GE T", "GET\n", 5])
async def test_an_invalid_method_ends_the_loop(driver: Driver, logs: Logs, method: Any) -> None:
    driver.setup_http_polling(POLLING.setup("http://127.0.0.1/", method=method))
    async with driver.lifespan():
        await eventually(lambda: logs.messages("ERROR"))
    (error,) = logs.messages("ERROR")
    assert error.endswith("SetupError: its method must be one of HTTP, such as GET")
    assert not warnings(logs)


async def test_a_loop_that_has_ended_for_good_tries_again_after_a_restart(
    way: Way, driver: Driver, adapter: Adapter
) -> None:
    async with ScriptedServer(way.good) as server:
        way.add(driver, way.setup(way.url(server), adapter="late"))
        async with driver.lifespan():
            await settle()
        driver.register_adapter("late", adapter)
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)


# Factories


@pytest.mark.promise("forward: a factory is called before every attempt, and its failure is one")
async def test_a_factory_is_called_before_each_attempt(
    way: Way, driver: Driver, adapter: Adapter, fake_clock: FakeClock
) -> None:
    """Trap: a callable polling setup died of "'function' object has no attribute" (a16)."""
    calls: list[int] = []
    async with ScriptedServer(scripts.status(503), scripts.status(503), way.good) as server:

        async def factory() -> Any:
            calls.append(len(server.attempts))
            return way.setup(f"{way.url(server)}/{len(calls)}", headers={"X-Try": str(len(calls))})

        way.add(driver, factory)
        async with driver.lifespan():
            await fake_clock.advance_to_next()
            await fake_clock.advance_to_next()
            await eventually(lambda: adapter.messages)
        requests = [attempt.request for attempt in server.attempts]
    assert calls[:3] == [0, 1, 2]
    assert [request.target for request in requests] == ["/1", "/2", "/3"]
    assert [request.header("X-Try") for request in requests] == ["1", "2", "3"]


@pytest.mark.promise("forward: a factory is called before every attempt, and its failure is one")
async def test_a_factory_that_fails_is_an_attempt_that_failed(
    way: Way, driver: Driver, adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    async with ScriptedServer(way.good) as server:
        results: list[Any] = [ValueError(f"token={SECRET}"), None, way.setup(way.url(server))]

        async def factory() -> Any:
            result = results.pop(0) if len(results) > 1 else results[0]
            if isinstance(result, Exception):
                raise result
            return result

        way.add(driver, factory)
        async with driver.lifespan():
            assert await fake_clock.slept(1) == 1.0
            assert (
                "factory failed: ValueError: token=***; the next attempt is in 1.0 s"
                in logs[0].message
            )
            await fake_clock.advance_to_next()
            # None is not a setup.
            await fake_clock.slept(2)
            assert "AttributeError" in warnings(logs)[1]
            await fake_clock.advance_to_next()
            await eventually(lambda: adapter.messages)
    assert tracebacks(logs) == 2
    assert SECRET not in logs.output


async def test_a_factory_may_be_sync_and_bound_to_a_secret(
    way: Way, driver: Driver, adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    """Setups and responses are duck-typed, never `isinstance`-checked."""

    def factory(url: str, token: str) -> Any:
        if not logs:
            raise OSError("not now")
        return SimpleNamespace(**vars(way.setup(url, headers={"Authorization": token})))

    async with ScriptedServer(way.good) as server:
        way.add(driver, partial(factory, way.url(server), SECRET))
        async with driver.lifespan():
            await fake_clock.advance_to_next()
            await eventually(lambda: adapter.messages)
        assert server.attempts[0].request.header("Authorization") == SECRET
    assert SECRET not in logs.output
