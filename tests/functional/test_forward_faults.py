"""Faults of a platform, for both ways to connect: each is logged, retried, and tells no secret."""

from __future__ import annotations

from typing import Any

import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.log.naming import duration
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.certs import Tls
from tests.support.clock import FakeClock
from tests.support.forward import (
    FIRST_DELAY,
    POLLING,
    SECRET,
    SLOWEST,
    WEBSOCKET,
    Way,
    clocked_driver,
    tracebacks,
    warnings,
)
from tests.support.logs import Logs
from tests.support.server import Script, ScriptedServer, refusing_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

# Faults: each is retried, then the peer recovers


FAULTS: dict[str, tuple[Script, float, str]] = {
    "reset": (scripts.reset(), FIRST_DELAY, ""),
    "reset after the request": (scripts.reset(after_request=True), FIRST_DELAY, ""),
    "closed without an answer": (scripts.raw(b""), FIRST_DELAY, "ServerDisconnectedError"),
    "no HTTP": (scripts.raw(b"SSH-2.0-OpenSSH\r\n\r\n"), FIRST_DELAY, ""),
    "half a head": (scripts.raw(b"HTTP/1.1 200 O"), FIRST_DELAY, ""),
    "429 with Retry-After": (scripts.status(429, b"", {"Retry-After": "17"}), 17, "429"),
    "503": (scripts.status(503), FIRST_DELAY, "503"),
    "503 with a strange Retry-After": (
        scripts.status(503, b"", {"Retry-After": "Thu, 29 Feb 2024 12:00:00 +99999999999999"}),
        FIRST_DELAY,
        "503",
    ),
    "a redirect to nowhere": (scripts.status(302, b"", {"Location": "http://["}), SLOWEST, "302"),
    "404": (scripts.status(404), SLOWEST, "404 "),
    "404 with Retry-After": (scripts.status(404, b"", {"Retry-After": "90"}), 90, "404"),
}


@pytest.mark.promise("forward: an attempt that failed for a passing reason is retried")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_logged_and_retried(
    way: Way, driver: Driver, adapter: Adapter, fake_clock: FakeClock, logs: Logs, fault: str
) -> None:
    """Trap: only `ClientResponseError` was caught, anything else ended polling for ever (a16)."""
    script, delay, text = FAULTS[fault]
    async with way.running(driver, script) as server:
        assert await fake_clock.slept(1) == delay
        server.scripts = [way.good]
        (warning,) = warnings(logs)
        assert "of bot 1 of recorder failed: " in warning
        assert text in warning
        assert warning.endswith(f"; the next attempt is in {delay:.1f} s")
        assert not tracebacks(logs)
        await fake_clock.advance(delay)
        await eventually(lambda: adapter.messages)
        (recovery,) = logs.matching("of bot 1 of recorder is back after ")
        assert recovery.level == "INFO"
        assert f" is back after {duration(delay)}, 1 attempt: {way.scheme}://" in recovery.message
        assert not logs.matching("connected (")
    assert adapter.messages == [b"event"]


@pytest.mark.promise("forward: an attempt that failed for a passing reason is retried")
async def test_no_network_at_the_start_is_an_outage(
    way: Way, driver: Driver, adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    """Trap: discord.py dies on a failed first connection."""
    async with ScriptedServer(way.good, listening=False) as server:
        way.add(driver, way.setup(way.url(server)))
        async with driver.lifespan():
            for number in (1, 2, 3):
                await fake_clock.slept(number)
                await fake_clock.advance_to_next()
            await fake_clock.slept(4)
            await server.listen()
            await fake_clock.advance_to_next()
            await eventually(lambda: adapter.messages)
    delays = fake_clock.sleeps[:4]
    assert delays[0] == FIRST_DELAY
    for number, delay in enumerate(delays[1:], 1):
        assert 0.75 * FIRST_DELAY * 2**number <= delay <= FIRST_DELAY * 2**number
    # Of four failures the first, the second and the fourth, then one line on recovery.
    assert len(warnings(logs)) == 3
    assert not tracebacks(logs)
    assert len(logs.matching("is back after ")) == 1


@pytest.mark.promise("forward: an outage is logged in a few lines, and its end in one")
async def test_each_outage_has_its_traceback(
    way: Way, adapter: Adapter, fake_clock: FakeClock, logs: Logs
) -> None:
    """A function that makes a setup may have a bug, whose place is worth lines."""
    driver = clocked_driver(fake_clock, adapter, stable_after=0)
    good = scripts.accept_then_close() if way is WEBSOCKET else way.good
    fails = iter([True, False, True, True])

    async def factory() -> Any:
        if next(fails):
            raise KeyError(f"token={SECRET}")
        return way.setup(way.url(server))

    async with ScriptedServer(good) as server:
        way.add(driver, factory)
        async with driver.lifespan():
            for number, explained in enumerate((1, 1, 2, 2), 1):
                await fake_clock.slept(number)
                assert tracebacks(logs) == explained
                if number < 4:
                    await fake_clock.advance_to_next()
    traceback = logs.matching("Traceback")[0].message
    assert "in factory" in traceback
    assert "base.py" not in traceback
    assert SECRET not in logs.output


@pytest.mark.promise("forward: handshake, idle and close have timeouts of their own")
@pytest.mark.parametrize("read", [True, False])
async def test_a_peer_that_never_answers_is_given_up_in_time(
    way: Way, adapter: Adapter, fake_clock: FakeClock, logs: Logs, read: bool
) -> None:
    """Trap: `ClientWSTimeout` does not bound the handshake."""
    driver = clocked_driver(fake_clock, adapter, **{way.timeout: 1})
    async with way.running(driver, scripts.hang(read), way.good) as server:
        assert await fake_clock.slept(1) == FIRST_DELAY
        assert f"no answer within 1 s (aiohttp_{way.timeout})" in warnings(logs)[0]
        await eventually(lambda: server.attempts[0].ended or not read)
        await fake_clock.advance(FIRST_DELAY)
        await eventually(lambda: adapter.messages)


@pytest.mark.parametrize("kind", ["untrusted_server", "wrong_name_server"])
async def test_a_wrong_certificate_is_an_outage(
    way: Way, fake_clock: FakeClock, adapter: Adapter, tls: Tls, logs: Logs, kind: str
) -> None:
    driver = clocked_driver(fake_clock, adapter, ssl_cafile=tls.ca_file)
    async with way.running(driver, way.good, ssl_context=getattr(tls, kind)) as server:
        assert await fake_clock.slept(1) == FIRST_DELAY
    assert "CERTIFICATE_VERIFY_FAILED" in warnings(logs)[0]
    assert not server.attempts[0].requests


async def test_a_name_that_does_not_resolve_is_an_outage(
    way: Way, driver: Driver, fake_clock: FakeClock, logs: Logs
) -> None:
    # A name that never exists (RFC 6761), and one that cannot.
    way.add(driver, way.setup(f"{way.scheme}://nowhere.invalid/"))
    way.add(driver, way.setup(f"{way.scheme}://{'x' * 64}.example/", self_id="2"))
    async with driver.lifespan():
        # The system asks its name servers, which may be silent.
        await eventually(lambda: len(fake_clock.sleeps) >= 2, 60, "both outages")
    assert fake_clock.sleeps[:2] == [FIRST_DELAY] * 2
    assert len(warnings(logs)) == 2


# What the platform gets


@pytest.mark.promise("forward: Host is never sent twice")
@pytest.mark.parametrize("given", [None, "Host", "host", "HOST"])
async def test_the_host_is_never_sent_twice(
    way: Way, driver: Driver, adapter: Adapter, given: str | None
) -> None:
    """Trap: a duplicate `Host` header, 400 (nonebot2#560, #561, #589)."""
    async with ScriptedServer(way.good) as server:
        headers = {given: "bot.example"} if given else {}
        way.add(driver, way.setup(way.url(server), headers=headers))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
            seen = driver.bots["1"].request.headers["host"]
        expected = "bot.example" if given else f"127.0.0.1:{server.port}"
        assert server.attempts[0].request.header_values("Host") == [expected]
        assert seen == expected


async def test_cookies_of_the_setup_are_sent_and_those_of_a_peer_are_not_kept(
    way: Way, driver: Driver, adapter: Adapter, fake_clock: FakeClock
) -> None:
    """Trap: cookies dropped on WebSockets in 2.5's aiohttp driver."""

    async def second(server: ScriptedServer) -> Any:
        await eventually(lambda: adapter.messages)
        return way.setup(way.url(server), self_id="2")

    cookie = {"Set-Cookie": "session=theirs; Path=/"}
    first = (
        scripts.status(200, b"event", cookie)
        if way is POLLING
        else scripts.send_frames("event", headers=cookie)
    )
    async with ScriptedServer(first, way.good) as server:
        headers = {"Cookie": "session=ours"}
        way.add(driver, way.setup(way.url(server), headers=headers))
        way.add(driver, lambda: second(server))
        async with driver.lifespan():
            await eventually(lambda: len(adapter.messages) == 2)
        cookies = [attempt.request.header("Cookie") for attempt in server.attempts]
        assert cookies == ["session=ours", None]


@pytest.mark.promise("forward: URLs are logged without secrets")
async def test_no_secret_of_a_url_is_logged(
    way: Way, driver: Driver, fake_clock: FakeClock, logs: Logs
) -> None:
    """Trap: a Telegram path holds the bot's token."""
    faults = [scripts.status(503), scripts.reset(), scripts.status(401), scripts.raw(b"x\r\n\r\n")]
    async with ScriptedServer(faults[0]) as server:
        url = way.url(server).replace("://", f"://user:{SECRET}@")
        url = f"{url}/bot123456:{SECRET}/getUpdates?access_token={SECRET}#{SECRET}"
        way.add(driver, way.setup(url, headers={"X-Key": SECRET}))
        async with driver.lifespan():
            for number, script in enumerate([*faults[1:], way.good], 1):
                await fake_clock.slept(number)
                server.scripts = [script]
                await fake_clock.advance_to_next()
            await eventually(lambda: logs.matching("is back after "))
        with refusing_port() as port:
            way.add(driver, way.setup(url.replace(str(server.port), str(port))))
            async with driver.lifespan():
                await eventually(lambda: len(warnings(logs)) > len(faults))
    assert f"127.0.0.1:{server.port}/***/getUpdates" in logs.output
    assert SECRET not in logs.output
