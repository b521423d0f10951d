"""What `driver.status()` says of forward connections, and of HTTP requests to platforms."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp import Driver, SetupError
from nonebot_aiohttp.operations.status import LoopStatus
from tests.support import scripts
from tests.support.bots import Adapter, new_adapter, running
from tests.support.clock import FakeClock
from tests.support.forward import (
    FIRST_DELAY,
    POLLING,
    WEBSOCKET,
    Way,
    answers,
    clocked_driver,
    making,
    websocket,
)
from tests.support.server import ScriptedServer, refusing_port
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

TOKEN = "123456:AAH-s3cr3t_T0ken"


def the_loop(driver: Driver) -> LoopStatus:
    """Return the only forward connection."""
    (found,) = driver.status().loops
    return found


def calls(driver: Driver) -> dict[str, tuple[int, int, int, int]]:
    """Return the counts of calls by host: ok, 4xx, 5xx, errors."""
    return {
        each.host: (each.ok, each.refused, each.failed, each.errors)
        for each in driver.status().calls
    }


# Forward connections


@pytest.mark.promise("operations: an outage is shown with its attempts, its begin and the next one")
async def test_an_outage_and_its_end(way: Way, driver: Driver, fake_clock: FakeClock) -> None:
    good = answers(b"event") if way is POLLING else way.good
    async with way.running(driver, scripts.status(503), scripts.status(503), good):
        await fake_clock.slept(1)
        await settle()
        loop, now = the_loop(driver), time.time()
        assert (loop.state, loop.attempts) == ("waiting", 1)
        assert loop.down_since == pytest.approx(now, abs=5)
        assert loop.next_attempt == pytest.approx(now + FIRST_DELAY, abs=5)
        assert "503" in loop.last_error
        await fake_clock.advance(1)
        assert (the_loop(driver).next_attempt or 0) - time.time() == pytest.approx(
            FIRST_DELAY - 1, abs=0.5
        )
        await fake_clock.advance_to_next()
        await fake_clock.slept(2)
        await settle()
        assert the_loop(driver).attempts == 2
        assert the_loop(driver).down_since == pytest.approx(time.time() - FIRST_DELAY, abs=0.5)
        await fake_clock.advance_to_next()
        await eventually(lambda: the_loop(driver).state == "connected")
        loop = the_loop(driver)
        assert (loop.attempts, loop.down_since, loop.next_attempt) == (0, None, None)
        # It is what has failed last, and that stays interesting.
        assert "503" in loop.last_error
    assert driver.status().loops == ()


@pytest.mark.promise("operations: readiness by a bot's id fails while its platform is down")
async def test_a_bot_whose_platform_is_down_is_not_connected(
    way: Way, driver: Driver, fake_clock: FakeClock
) -> None:
    """Also a polling one, which stays in ``driver.bots``."""
    observer = driver._operations.observer
    ended = scripts.status(200) if way is POLLING else scripts.accept_then_close(1001)
    good = answers(b"event") if way is POLLING else way.good
    async with way.running(driver, ended, scripts.status(503), good):
        await fake_clock.slept(1)
        await fake_clock.advance_to_next()
        await fake_clock.slept(2)
        await settle()
        assert the_loop(driver).state == "waiting"
        assert observer.missing(["1", "2"]) == ["1", "2"]
        assert ("1" in driver.bots) is (way is POLLING)
        await fake_clock.advance_to_next()
        await eventually(lambda: the_loop(driver).state == "connected")
        assert observer.missing(["1", "2"]) == ["2"]


async def test_a_loop_that_connects_for_the_first_time(way: Way, driver: Driver) -> None:
    async with way.running(driver, scripts.hang()) as server:
        await server.request(1)
        loop = the_loop(driver)
        assert loop == LoopStatus(loop.label, "connecting", 0, None, None, "")
        assert loop.label.endswith("of bot 1 of recorder")


async def test_a_connection_that_has_ended(driver: Driver, fake_clock: FakeClock) -> None:
    script = scripts.accept_then_close(4001, f"wrong token={TOKEN}")
    async with WEBSOCKET.running(driver, script):
        await fake_clock.slept(1)
        await settle()
        loop = the_loop(driver)
        assert (loop.state, loop.attempts) == ("waiting", 1)
        assert "4001" in loop.last_error
        assert TOKEN not in loop.last_error


@pytest.mark.promise("operations: nothing is in the status that the log would not show")
async def test_a_telegram_token_is_not_shown(
    way: Way, driver: Driver, fake_clock: FakeClock
) -> None:
    async with ScriptedServer(scripts.status(401)) as server:
        url = f"{way.url(server)}/bot{TOKEN}/getUpdates?access_token={TOKEN}"
        way.add(driver, way.setup(url))
        async with driver.lifespan():
            await fake_clock.slept(1)
            await settle()
            assert "401" in the_loop(driver).last_error
            assert TOKEN not in str(driver.status().asdict())
    with refusing_port() as port:
        way.add(driver, way.setup(f"{way.scheme}://127.0.0.1:{port}/bot{TOKEN}/getUpdates"))
        async with driver.lifespan():
            await fake_clock.slept(3)
            await settle()
            assert TOKEN not in str(driver.status().asdict())


async def test_a_setup_that_fails_with_a_secret(
    way: Way, driver: Driver, fake_clock: FakeClock
) -> None:
    async def make() -> Any:
        raise ValueError(f"cannot use https://api.telegram.org/bot{TOKEN}/x\n\x1b[31mred")

    way.add(driver, make)
    async with driver.lifespan():
        await fake_clock.slept(1)
        await settle()
        loop = the_loop(driver)
        assert (loop.state, loop.attempts) == ("waiting", 1)
        assert loop.last_error.startswith("ValueError: cannot use https://api.telegram.org/")
        assert TOKEN not in loop.last_error
        assert loop.last_error.isprintable()


async def test_an_error_is_cut(way: Way, driver: Driver, fake_clock: FakeClock) -> None:
    async def make() -> Any:
        raise ValueError("very " * 10_000)

    way.add(driver, make)
    async with driver.lifespan():
        await fake_clock.slept(1)
        await settle()
        assert len(the_loop(driver).last_error) <= 303


async def test_a_loop_that_can_never_work_has_ended(way: Way, driver: Driver) -> None:
    async with ScriptedServer(way.good) as server:
        way.add(driver, making(way.setup(way.url(server), adapter="nobody")))
        async with driver.lifespan():
            await eventually(lambda: the_loop(driver).state == "ended")
            loop = the_loop(driver)
            assert loop.last_error.startswith("SetupError: ")
            assert (loop.attempts, loop.next_attempt) == (1, None)
            assert loop.down_since == pytest.approx(time.time(), abs=5)
        assert the_loop(driver).state == "ended"
        # The next start begins anew.
        async with driver.lifespan():
            await eventually(lambda: the_loop(driver).state == "ended")
            assert len(driver.status().loops) == 1


async def test_polled_bots_count_their_answers(driver: Driver, fake_clock: FakeClock) -> None:
    async with POLLING.running(driver, answers(b"1", b"2", b"3", b"4")):
        for number in (1, 2, 3):
            await fake_clock.slept(number)
            await settle()
            (bot,) = driver.status().bots
            assert (bot.way, bot.messages) == ("polling", number)
            assert (await driver._operations.observer._totals_in_turns())[1] == number
            await fake_clock.advance_to_next()
    # Polls have no WebSocket messages, and do not count as calls.
    assert (driver.status().messages, driver.status().calls) == ((), ())
    # Its loop has told what is down.
    assert driver.status().gone == ()


async def test_forward_connections_that_are_off(adapter: Adapter, fake_clock: FakeClock) -> None:
    driver = clocked_driver(fake_clock, adapter, forward=False)
    driver.setup_websocket(websocket("ws://127.0.0.1:1"))
    async with driver.lifespan():
        assert driver.status().loops == ()


def test_a_wrong_setup_before_the_start_has_no_loop(way: Way, driver: Driver) -> None:
    with suppress(SetupError):
        way.add(driver, way.setup("nowhere"))
    assert driver.status().loops == ()


# Calls


@pytest.mark.promise("operations: requests to platforms are counted by host and outcome")
async def test_calls_by_outcome() -> None:
    outcomes = [200, 204, 302, 404, 429, 500, 503]
    async with (
        ScriptedServer(*map(scripts.status, outcomes)) as server,
        running(new_adapter()) as driver,
    ):
        for _ in outcomes:
            async with driver.session.get(server.url, allow_redirects=False):
                pass
        host = f"127.0.0.1:{server.port}"
        assert calls(driver) == {host: (3, 2, 2, 0)}
        totals = await driver._operations.observer._totals_in_turns()
        # The 404 is no failure.
        assert totals[3:] == (7, 3)


async def test_calls_without_an_answer() -> None:
    partial = b"HTTP/1.1 200 OK\r\nContent-Le"
    async with (
        ScriptedServer(scripts.reset(), scripts.raw(partial), scripts.hang()) as server,
        running(new_adapter()) as driver,
    ):
        host = f"127.0.0.1:{server.port}"
        for number in (1, 2):
            with pytest.raises(aiohttp.ClientError):
                await driver.session.post(server.url)
            assert calls(driver) == {host: (0, 0, 0, number)}
        timeout = aiohttp.ClientTimeout(total=0.05)
        with pytest.raises(asyncio.TimeoutError):
            await driver.session.post(server.url, timeout=timeout)
        assert calls(driver) == {host: (0, 0, 0, 3)}
        calling = asyncio.ensure_future(driver.session.post(server.url))
        await server.request(4)
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await within(calling)
        assert calls(driver) == {host: (0, 0, 0, 4)}
        with refusing_port() as port:
            with pytest.raises(aiohttp.ClientConnectorError):
                await driver.session.get(f"http://127.0.0.1:{port}/")
            assert calls(driver)[f"127.0.0.1:{port}"] == (0, 0, 0, 1)


async def test_what_aiohttp_sends_again_counts_again() -> None:
    async with (
        ScriptedServer(scripts.reset(after_request=True), scripts.status(200)) as server,
        running(new_adapter()) as driver,
    ):
        async with driver.session.get(server.url) as response:
            assert response.status == 200
        assert len(server.attempts) == 2
        assert calls(driver) == {f"127.0.0.1:{server.port}": (1, 0, 0, 1)}


async def test_calls_whose_proxy_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://127.0.0.1:1")
    async with running(new_adapter()) as driver:
        with pytest.raises(aiohttp.ClientConnectionError, match="HTTP_PROXY"):
            await driver.session.get("http://platform.example/")
        assert calls(driver) == {"platform.example": (0, 0, 0, 1)}


async def test_a_redirect_counts_as_a_call_of_each_host() -> None:
    async with ScriptedServer(scripts.status(200)) as second:
        to_second = scripts.status(302, headers={"Location": second.url})
        async with ScriptedServer(to_second) as first, running(new_adapter()) as driver:
            async with driver.session.get(first.url) as response:
                assert response.status == 200
            assert calls(driver) == {
                f"127.0.0.1:{each.port}": (1, 0, 0, 0) for each in (first, second)
            }


async def test_a_body_that_breaks_off_was_answered() -> None:
    async with (
        ScriptedServer(scripts.truncated_body()) as server,
        running(new_adapter()) as driver,
    ):
        async with driver.session.post(server.url) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert calls(driver) == {f"127.0.0.1:{server.port}": (1, 0, 0, 0)}


async def test_hosts_beyond_the_first_32_are_counted_together() -> None:
    async with ScriptedServer(scripts.status(200)) as server, running(new_adapter()) as driver:
        for number in range(1, 41):
            url = server.url.replace("127.0.0.1", f"127.0.0.{number}")
            with suppress(aiohttp.ClientError):
                await driver.session.post(url)
        found = calls(driver)
        assert len(found) == 33
        assert sum(found["other"]) == 8
        assert len(driver._pool.calls._by_host) == 33


async def test_the_counts_stay_over_a_restart(driver: Driver) -> None:
    for number in (1, 2):
        async with ScriptedServer(scripts.status(404)) as server, driver.lifespan():
            await (await driver.session.get(server.url)).read()
        assert sum(sum(each) for each in calls(driver).values()) == number
