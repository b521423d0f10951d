"""HTTP polling: what is asked, when, what becomes of the answers, and when its bots leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import Driver, DriverOptions, HTTPRequest, SetupError
from nonebot_aiohttp.adapters import create_bot
from tests.support import scripts
from tests.support.bots import Adapter, RecordingBot
from tests.support.clock import FakeClock
from tests.support.forward import FIRST_DELAY, POLLING, answers, clocked_driver, making, polling
from tests.support.logs import Logs
from tests.support.server import Connection, Script, ScriptedServer
from tests.support.waiting import eventually, settle, within
from tests.support.wire import encode_message, status_line

pytestmark = pytest.mark.both_loops

# What is asked


async def test_the_request_is_the_setups_and_the_bot_sees_it(
    driver: Driver, adapter: Adapter
) -> None:
    """Trap: a method in lower case; the contract has it in capitals."""
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        url = f"{server.url}/a%20b/%E6%9C%BA?q=%E5%99%A8&x=1+2"
        headers = {"Authorization": "Bearer x", "X-Two": "2"}
        driver.setup_http_polling(polling(url, method="post", body=b"{}\x00", headers=headers))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
            seen = driver.bots["1"].request
        request = server.attempts[0].request
    assert request.start_line == "POST /a%20b/%E6%9C%BA?q=%E5%99%A8&x=1+2 HTTP/1.1"
    assert request.body == b"{}\x00"
    assert (request.header("Authorization"), request.header("X-Two")) == ("Bearer x", "2")
    # docs/four-ways.md says so.
    assert request.header("Content-Type") == "application/octet-stream"
    assert seen == HTTPRequest(
        http_version="1.1",
        scheme="http",
        path="/a b/机",
        query_string=b"q=%E5%99%A8&x=1+2",
        headers={
            "host": f"127.0.0.1:{server.port}",
            "authorization": "Bearer x",
            "x-two": "2",
        },
        method="POST",
        body=b"{}\x00",
    )


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_http_version_is_the_setups(
    driver: Driver, adapter: Adapter, version: str
) -> None:
    """Trap: `version=` given to `session.request` was a `TypeError` that ended the loop (a16)."""
    async with POLLING.running(
        driver, scripts.status(200, b"event"), http_version=version, method="GET"
    ) as server:
        await eventually(lambda: adapter.messages)
        assert driver.bots["1"].request.http_version == version
    assert server.attempts[0].request.start_line == f"GET / HTTP/{version}"


@pytest.mark.promise("forward: a setup that can never work ends its loop only")
@pytest.mark.parametrize("version", ["2", "3", "", "1", "HTTP/1.1"])
async def test_another_http_version_ends_that_loop_only(
    driver: Driver, adapter: Adapter, logs: Logs, version: str
) -> None:
    async with ScriptedServer(scripts.status(200, b"event")) as server:
        wrong = polling(server.url, http_version=version, self_id="wrong")
        driver.setup_http_polling(making(wrong))
        driver.setup_http_polling(polling(server.url))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
            assert list(driver.bots) == ["1"]
    assert logs.messages("ERROR") == [
        "The polling of bot wrong of recorder has ended for good: "
        f"SetupError: HTTP version {version!r} is not supported: use 1.0 or 1.1"
    ]
    assert len(server.attempts) == 1


async def test_what_stands_in_place_of_the_http_version_is_not_shown(driver: Driver) -> None:
    headers: Any = {"Authorization": "s3cr3t"}
    driver.setup_http_polling(polling("http://127.0.0.1/", http_version=headers))
    with pytest.raises(SetupError, match="HTTP version dict is not supported"):
        await driver.lifespan().__aenter__()


async def test_another_scheme_ends_the_loop(driver: Driver, logs: Logs) -> None:
    driver.setup_http_polling(making(polling("ws://127.0.0.1/")))
    async with driver.lifespan():
        await settle()
    text = "its URL ws://127.0.0.1/ must have http:// or https:// before the host; did"
    assert text in logs.output


@pytest.mark.promise("forward: there is one connector, and one session for each HTTP version")
async def test_polls_share_one_connection(
    driver: Driver, adapter: Adapter, fake_clock: FakeClock
) -> None:
    """Trap: a client per request (nonebot2#2617)."""
    async with POLLING.running(driver, answers(b"1", b"2", b"3")) as server:
        for _ in range(2):
            await fake_clock.advance_to_next()
        await eventually(lambda: len(adapter.messages) == 3)
    assert len(server.attempts) == 1
    assert adapter.messages == [b"1", b"2", b"3"]


async def test_a_post_on_a_connection_that_has_gone_is_not_sent_again_at_once(
    driver: Driver, adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    """Trap: a kept connection may be closed as the next request is sent (aiohttp#7297)."""

    async def once(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(encode_message(status_line(200), {"Content-Length": "1"}, b"1"))
        await connection.read_request()

    async with ScriptedServer(once, scripts.status(200, b"2")) as server:
        driver.setup_http_polling(polling(server.url))
        async with driver.lifespan():
            await fake_clock.advance_to_next()
            assert await fake_clock.slept(2) == FIRST_DELAY
            assert [len(each.requests) for each in server.attempts] == [2]
            await fake_clock.advance_to_next()
            await eventually(lambda: adapter.messages == [b"1", b"2"])
    assert logs.matching("ServerDisconnectedError", "WARNING")


# When


async def test_the_next_poll_comes_after_the_interval(
    driver: Driver, adapter: Adapter, fake_clock: FakeClock
) -> None:
    async with POLLING.running(driver, answers(b"1", b"2"), poll_interval=12.5) as server:
        assert await fake_clock.slept(1) == 12.5
        await fake_clock.advance(12.4)
        assert len(server.attempts[0].requests) == 1
        await fake_clock.advance(0.1)
        await eventually(lambda: adapter.messages == [b"1", b"2"])


@pytest.mark.promise("forward: an interval of zero means a long poll, and does not spin")
async def test_an_interval_of_zero_does_not_spin(driver: Driver, fake_clock: FakeClock) -> None:
    """Trap: a peer that answers a long poll at once saturates the CPU (adapter-telegram#41)."""
    async with POLLING.running(driver, answers(*[b"[]"] * 4), poll_interval=0):
        for number in range(1, 5):
            await fake_clock.slept(number)
            await fake_clock.advance_to_next()
    assert fake_clock.sleeps == pytest.approx([0.05] * 4)


@pytest.mark.promise("forward: an interval of zero means a long poll, and does not spin")
async def test_a_long_poll_is_asked_again_at_once(driver: Driver, fake_clock: FakeClock) -> None:
    held = asyncio.Event()

    async def long_poll(connection: Connection) -> None:
        await connection.read_request()
        await held.wait()
        await connection.respond(200, b"event")

    async with POLLING.running(driver, long_poll, scripts.hang(), poll_interval=0) as server:
        await server.request(1)
        await fake_clock.advance(50)
        held.set()
        await server.request(2)
    assert fake_clock.sleeps == [0]


def test_the_default_timeout_is_longer_than_a_long_poll() -> None:
    """Trap: a read timeout as long as the long poll (adapter-telegram#87)."""
    assert DriverOptions().poll_timeout > 60


async def test_a_timeout_with_words_of_its_own_keeps_them(
    driver: Driver, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    async def slow(*_: Any) -> bytes:
        raise asyncio.TimeoutError("the proxy was slow")

    monkeypatch.setattr("nonebot_aiohttp.forward.polling.PollingLoop._poll", slow)
    driver.setup_http_polling(polling("http://127.0.0.1"))
    async with driver.lifespan():
        await fake_clock.slept(1)
    assert "TimeoutError: the proxy was slow; " in logs.messages("WARNING")[0]


# Answers


@pytest.mark.parametrize("stall", [False, True])
async def test_half_an_answer_is_not_an_event(
    adapter: Adapter, fake_clock: FakeClock, logs: Logs, stall: bool
) -> None:
    driver = clocked_driver(fake_clock, adapter, poll_timeout=1)
    half = scripts.truncated_body(b"half", 100, stall)
    async with POLLING.running(driver, half, scripts.status(200, b"whole")):
        assert await fake_clock.slept(1) == FIRST_DELAY
        assert not driver.bots
        await fake_clock.advance(FIRST_DELAY)
        await eventually(lambda: adapter.messages)
    assert adapter.messages == [b"whole"]
    expected = "no answer within 1 s (aiohttp_poll_timeout)" if stall else "ClientPayloadError"
    assert expected in logs.messages("WARNING")[0]


def chunked(size: int) -> Script:
    """Answer with a body without a declared length."""
    head = {"Transfer-Encoding": "chunked"}
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)

    async def script(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(encode_message(status_line(200), head, body))

    return script


@pytest.mark.parametrize(
    "large",
    [scripts.truncated_body(b"x", 1_000_000, stall=True), chunked(101), chunked(500_000)],
    ids=["announced", "just over", "endless"],
)
async def test_an_answer_over_the_limit_is_an_attempt_that_failed(
    adapter: Adapter, fake_clock: FakeClock, logs: Logs, large: Script
) -> None:
    driver = clocked_driver(fake_clock, adapter, max_body_size=100)
    async with POLLING.running(driver, large, chunked(100)):
        assert await fake_clock.slept(1) == FIRST_DELAY
        assert adapter.messages == []
        await fake_clock.advance(FIRST_DELAY)
        await eventually(lambda: adapter.messages == [b"x" * 100])
    expected = "ClientPayloadError: the answer is larger than 100 bytes (aiohttp_max_body_size); "
    assert expected in logs.messages("WARNING")[0]


@pytest.mark.parametrize("status", [200, 201, 206, 299])
async def test_every_2xx_is_an_answer(driver: Driver, adapter: Adapter, status: int) -> None:
    async with POLLING.running(driver, scripts.status(status, b"event")):
        await eventually(lambda: adapter.messages)


async def test_polling_does_not_wait_for_handlers(fake_clock: FakeClock) -> None:
    released = asyncio.Event()

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            await released.wait()

    driver = clocked_driver(fake_clock, Recorder)
    async with POLLING.running(driver, answers(b"1", b"2", b"3")):
        for _ in range(2):
            await fake_clock.advance_to_next()
        await eventually(lambda: len(Recorder.messages) == 3)
        released.set()


@pytest.mark.promise("life: every acknowledged event is handled")
async def test_an_answer_of_the_moment_of_the_stop_is_handled(
    driver: Driver, adapter: Adapter, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that was read counts as acknowledged: no such event is lost."""
    stops: list[asyncio.Future[None]] = []
    poll = "nonebot_aiohttp.forward.polling.PollingLoop._poll"

    async def answered(*_: Any) -> bytes:
        stops.append(asyncio.ensure_future(driver._lifespan.stop()))
        return b"event"

    monkeypatch.setattr(poll, answered)
    driver.setup_http_polling(polling("http://127.0.0.1"))
    await driver._lifespan.start()
    await eventually(lambda: stops)
    await within(stops[0])
    assert adapter.messages == [b"event"]
    assert len(stops) == 1


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
            # After an outage the next answer finds the same bot.
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
