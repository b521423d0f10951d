"""Setups for both ways to connect: objects, factories, and those that can never work."""

from __future__ import annotations

import asyncio
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import Driver, SetupError
from tests.support import scripts
from tests.support.bots import Adapter, make_driver, new_adapter
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, SECRET, WEBSOCKET, Way, making, tracebacks, warnings
from tests.support.logs import Logs
from tests.support.server import ScriptedServer
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

# Setups that can never work


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": f"ftp://h/{SECRET}"}, "its URL ftp://h/*** must have {scheme}:// or"),
    ({"url": f"/{SECRET}"}, "its URL must have {scheme}:// or {scheme}s:// before the host; it"),
    ({"url": f"{SECRET}:6700"}, "its URL must have {scheme}:// or {scheme}s:// before the host;"),
    ({"url": ""}, "its URL is empty; it must look like {scheme}://"),
    ({"url": f"http://[{SECRET}"}, "its URL cannot be parsed; it must look like {scheme}://"),
    ({"url": f"ws://user:{SECRET}@h:99999999/"}, "its URL cannot be parsed"),
    ({"url": None}, "its URL must be a text such as {scheme}://127.0.0.1:6700/, not None"),
    ({"adapter": "teapot"}, "no adapter 'teapot' is registered, only 'recorder'"),
    ({"adapter": "recoder"}, "no adapter 'recoder' is registered; did you mean 'recorder'?"),
    ({"adapter": f"ws://u:{SECRET}@h/?token={SECRET}"}, "no adapter 'ws://h/' is registered"),
    ({"adapter": {"token": SECRET}}, "its adapter must be the name of one, not dict"),
    ({"self_id": 42}, "its self_id must be text, not int: write str(...)"),
    ({"headers": SECRET}, "its headers must be a mapping of names to values"),
    ({"headers": {"Authorization": None}}, "its headers must be texts without line breaks"),
    ({"headers": {"X": f"{SECRET}\r\nY: 1"}}, "its headers must be texts without line breaks"),
]


@pytest.mark.promise("forward: a setup that a function makes and that can never work ends its loop")
@pytest.mark.parametrize(("changes", "text"), WRONG)
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
        wrong = way.setup(**{"url": way.url(server), "self_id": "wrong"} | changes)
        way.add(driver, making(wrong))
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
            (error,) = logs.messages("ERROR")
            assert f"of bot {changes.get('self_id', 'wrong')}" in error
            text = text.format(scheme=way.scheme)
            assert f"has ended for good: SetupError: {text}" in error
            assert "\n" not in error
        assert len(server.attempts) == 1
    assert SECRET not in logs.output
    assert not warnings(logs)


@pytest.mark.parametrize("seconds", [f"{SECRET}5s", None, float("nan"), "inf", 10**400])
async def test_an_interval_that_is_not_a_number_of_seconds_ends_the_loop(
    way: Way, driver: Driver, logs: Logs, seconds: Any
) -> None:
    setup = way.setup(f"{way.scheme}://127.0.0.1/", **{way.interval: seconds})
    way.add(driver, making(setup))
    async with driver.lifespan():
        await eventually(lambda: logs.messages("ERROR"))
    (error,) = logs.messages("ERROR")
    assert f"SetupError: its {way.interval} must be a number of seconds" in error
    assert SECRET not in logs.output
    assert not warnings(logs)


@pytest.mark.parametrize("method", [None, "", "GE T", "GET\n", 5])
async def test_an_invalid_method_ends_the_loop(driver: Driver, logs: Logs, method: Any) -> None:
    driver.setup_http_polling(making(POLLING.setup("http://127.0.0.1/", method=method)))
    async with driver.lifespan():
        await eventually(lambda: logs.messages("ERROR"))
    (error,) = logs.messages("ERROR")
    assert error.endswith("SetupError: its method must be one of HTTP, such as GET")
    assert not warnings(logs)


@pytest.mark.parametrize("body", [{"cursor": SECRET}, 5, object()])
async def test_a_body_that_is_not_bytes_ends_the_loop(
    driver: Driver, logs: Logs, body: Any
) -> None:
    driver.setup_http_polling(making(POLLING.setup("http://127.0.0.1/", body=body)))
    async with driver.lifespan():
        await eventually(lambda: logs.messages("ERROR"))
    (error,) = logs.messages("ERROR")
    kind = type(body).__name__
    text = f"SetupError: its body must be bytes, not {kind}: json.dumps(...).encode() makes them"
    assert error.endswith(text)
    assert SECRET not in logs.output
    assert not warnings(logs)


async def test_a_loop_that_has_ended_for_good_tries_again_after_a_restart(
    way: Way, driver: Driver, adapter: Adapter
) -> None:
    async with ScriptedServer(way.good) as server:
        setup = way.setup(way.url(server), adapter="late")
        way.add(driver, making(setup))
        async with driver.lifespan():
            await settle()
        driver.register_adapter("late", adapter)
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)


# Setups that are given themselves


@pytest.mark.promise("forward: a setup that is given itself and can never work fails the start")
@pytest.mark.parametrize(("changes", "text"), WRONG)
async def test_a_given_setup_that_can_never_work_fails_the_start(
    way: Way, driver: Driver, logs: Logs, changes: dict[str, Any], text: str
) -> None:
    """Trap: the bot ran without its only connection, and one line said so."""
    steps: list[str] = []
    driver.on_shutdown(lambda: steps.append("shutdown"))
    way.add(driver, way.setup(**{"url": f"{way.scheme}://127.0.0.1:1/"} | changes))
    with pytest.raises(SetupError) as raised:
        await driver.lifespan().__aenter__()
    error = str(raised.value)
    kind = {"polling": "polling", "websocket": "forward WebSocket"}[way.name]
    assert error.startswith(f"The {kind} of bot {changes.get('self_id', 1)} of ")
    assert f" can never work: {text.format(scheme=way.scheme)}" in error
    assert SECRET not in error + logs.output
    assert "\n" not in error
    # The startup hooks had run, because they may register adapters.
    assert steps == ["shutdown"]


@pytest.mark.parametrize(
    ("url", "shown", "meant"),
    [
        ("127.0.0.1:6700", "127.0.0.1:6700", "{scheme}://127.0.0.1:6700"),
        ("localhost:6700", "localhost:6700", "{scheme}://localhost:6700"),
        ("napcat:3001/", "napcat:3001/", "{scheme}://napcat:3001/"),
        ("example.org/ws", "example.org/ws", "{scheme}://example.org/ws"),
        ("//example.org/ws", "example.org/ws", "{scheme}://example.org/ws"),
        ("[::1]:6700", "[::1]:6700", "{scheme}://[::1]:6700"),
        ("wss:/example.org", "example.org", "{scheme}s://example.org"),
        ("ws:8080", "ws:8080", "{scheme}://ws:8080"),
        (f"me:{SECRET}@example.org:1", "example.org:1", "{scheme}://example.org:1"),
        (f"127.0.0.1:1/{SECRET}", "127.0.0.1:1/***", "{scheme}://127.0.0.1:1/***"),
        (f"127.0.0.1:1/?access_token={SECRET}", "127.0.0.1:1/", "{scheme}://127.0.0.1:1/"),
    ],
)
async def test_a_url_without_a_scheme_is_shown_with_what_is_meant(
    way: Way, driver: Driver, url: str, shown: str, meant: str
) -> None:
    way.add(driver, way.setup(url))
    with pytest.raises(SetupError) as raised:
        await driver.lifespan().__aenter__()
    wanted = f"must have {way.scheme}:// or {way.scheme}s:// before the host"
    meant = meant.format(scheme=way.scheme)
    assert str(raised.value).endswith(f": its URL {shown} {wanted}; did you mean {meant}?")
    assert SECRET not in str(raised.value)


async def test_one_error_names_all_setups_that_can_never_work(driver: Driver) -> None:
    driver.setup_websocket(WEBSOCKET.setup("127.0.0.1:1"))
    driver.setup_websocket(WEBSOCKET.setup("ws://127.0.0.1:1"))
    driver.setup_http_polling(POLLING.setup("http://127.0.0.1:1", method="GE T", self_id="2"))
    driver.setup_http_polling(POLLING.setup("http://127.0.0.1:1", http_version="3", self_id="3"))
    with pytest.raises(SetupError) as raised:
        await driver.lifespan().__aenter__()
    assert str(raised.value) == (
        "The forward WebSocket of bot 1 of recorder can never work: its URL 127.0.0.1:1 must have"
        " ws:// or wss:// before the host; did you mean ws://127.0.0.1:1?; the polling of bot 2 of"
        " recorder can never work: its method must be one of HTTP, such as GET; the polling of"
        " bot 3 of recorder can never work: HTTP version '3' is not supported: use 1.0 or 1.1"
    )


async def test_several_setups_of_one_function_have_numbers(
    way: Way, driver: Driver, logs: Logs
) -> None:
    """Trap: each bot of ``functools.partial(connection, token)`` had the same name in the log."""

    async def connection(token: str) -> Any:
        raise ValueError("the platform does not answer")

    for token in (SECRET, "two", "three"):
        way.add(driver, partial(connection, token))
    async with driver.lifespan():
        for number in (1, 2, 3):
            text = f"connection ({number} of 3) failed: ValueError: the platform does not answer"
            await eventually(partial(logs.matching, text, "WARNING"))
    assert SECRET not in logs.output


async def test_an_adapter_may_be_registered_by_a_startup_hook(way: Way) -> None:
    driver = make_driver()
    async with ScriptedServer(way.good) as server:
        way.add(driver, way.setup(way.url(server)))
        with pytest.raises(SetupError, match=r"call driver\.register_adapter\('recorder',"):
            await driver.lifespan().__aenter__()
        adapter = new_adapter()
        driver.on_startup(lambda: driver.register_adapter("recorder", adapter))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)


async def test_a_process_without_forward_connections_does_not_fail_for_them(way: Way) -> None:
    """One of several processes may have the connections, and their settings."""
    driver = make_driver(aiohttp_forward=False)
    way.add(driver, way.setup("127.0.0.1:1"))
    async with driver.lifespan():
        way.add(driver, way.setup("127.0.0.1:1"))


async def test_in_a_running_driver_a_setup_that_can_never_work_is_refused(
    way: Way, driver: Driver, logs: Logs
) -> None:
    async with driver.lifespan():
        with pytest.raises(SetupError, match=r"can never work: its URL 127\.0\.0\.1:1 must have"):
            way.add(driver, way.setup("127.0.0.1:1"))
        await settle()
    # It was not kept.
    async with driver.lifespan():
        await settle()
    assert logs.messages("ERROR") == []


# What is not a setup


async def conn(token: str = "") -> Any:
    """Stand for a user's function."""
    return token


class Other:
    """A class that is no setup."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def make(self, url: str, *, token: str, timeout: float = 1) -> Any:
        """Make a setup of two arguments."""
        return url, token, timeout


@pytest.mark.promise("forward: what is neither a setup nor a function that makes one is refused")
async def test_the_result_of_a_function_is_refused_in_its_place(way: Way, driver: Driver) -> None:
    """Trap: it was awaited again and again, and Python warned of the coroutine."""
    with pytest.raises(SetupError, match=r"before each attempt: pass conn, not conn\(\)$"):
        way.add(driver, conn())
    task = asyncio.ensure_future(conn())
    with pytest.raises(SetupError, match="pass the function, not a Task of its result"):
        way.add(driver, task)
    await task


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("127.0.0.1:6700", "{adder}() takes {made} or a function that makes one, not str"),
        (None, "{adder}() takes {made} or a function that makes one, not NoneType"),
        (SimpleNamespace(adapter="a", self_id="1", url=""), "{adder}() takes {made}, and"),
        (Other, "{adder}() takes {made}, not the class Other: pass Other(...)"),
        (
            Other("").make,
            "{adder}() calls Other.make without arguments, and it needs url, token: give them by"
            " functools.partial",
        ),
    ],
)
def test_what_is_not_a_setup_is_refused_at_once(
    way: Way, driver: Driver, given: Any, text: str
) -> None:
    with pytest.raises(SetupError) as raised:
        way.add(driver, given)
    made = type(way.setup(""))
    noun = f"{'a' if way is WEBSOCKET else 'an'} {made.__name__}"
    adder = {"polling": "setup_http_polling", "websocket": "setup_websocket"}[way.name]
    assert str(raised.value).startswith(text.format(adder=adder, made=noun))
    with pytest.raises(SetupError, match=f"not the class {made.__name__}"):
        way.add(driver, made)


def test_a_setup_of_the_other_kind_is_refused(driver: Driver) -> None:
    with pytest.raises(SetupError, match=r"not WebSocketSetup: give it to setup_websocket\(\)$"):
        driver.setup_http_polling(WEBSOCKET.setup("ws://127.0.0.1"))
    match = r"not HTTPPollingSetup: give it to setup_http_polling\(\)$"
    with pytest.raises(SetupError, match=match):
        driver.setup_websocket(POLLING.setup("http://127.0.0.1"))


async def test_a_function_that_makes_the_other_kind_ends_its_loop(
    driver: Driver, logs: Logs
) -> None:
    driver.setup_http_polling(making(WEBSOCKET.setup("ws://127.0.0.1")))
    async with driver.lifespan():
        await eventually(lambda: logs.messages("ERROR"))
    (error,) = logs.messages("ERROR")
    assert "has ended for good: SetupError: setup_http_polling() takes an HTTP" in error


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
            assert "TypeError: the function has returned None and not a" in warnings(logs)[1]
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


def test_a_decorator_may_supply_the_arguments(way: Way, driver: Driver) -> None:
    @wraps(Other("").make)
    def factory() -> Any:
        return way.setup("http://127.0.0.1/")

    way.add(driver, factory)
