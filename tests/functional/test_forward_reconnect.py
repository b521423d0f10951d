"""The WebSocket client: reconnecting, two connections of one bot, and the stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp import Driver, WebSocketClosed
from nonebot_aiohttp.forward.reconnect import ReconnectLoop
from tests.support import frames, scripts
from tests.support.bots import Adapter
from tests.support.clock import FakeClock
from tests.support.forward import (
    SLOWEST,
    WEBSOCKET,
    bot_of,
    clocked_driver,
    closes,
    polling,
    websocket,
)
from tests.support.logs import Logs
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

# Reconnecting


@pytest.mark.promise("forward: a delay resets only after a stable time")
async def test_accept_then_close_does_not_spin(
    driver: Driver, fake_clock: FakeClock, logs: Logs
) -> None:
    """Trap: websockets resets its backoff on the handshake, 3,528 connections in 3 s."""
    async with WEBSOCKET.running(driver, scripts.accept_then_close()):
        for number in range(1, 8):
            await fake_clock.slept(number)
            await fake_clock.advance_to_next()
    delays = fake_clock.sleeps[:7]
    assert delays[0] == 3.0
    for number, delay in enumerate(delays[1:], 1):
        ceiling = min(3.0 * 2**number, 60)
        assert 0.75 * ceiling <= delay <= ceiling
    assert "Traceback" not in logs.output


@pytest.mark.promise("forward: a delay resets only after a stable time")
@pytest.mark.parametrize(("up", "reset"), [(29.5, False), (30.5, True)])
async def test_the_delay_begins_anew_after_a_stable_time(
    driver: Driver, fake_clock: FakeClock, logs: Logs, up: float, reset: bool
) -> None:
    async with WEBSOCKET.running(driver, scripts.status(503), scripts.status(503), scripts.echo()):
        for _ in range(2):
            await fake_clock.advance_to_next()
        await eventually(lambda: logs.matching("is back after "))
        await fake_clock.advance(up)
        await bot_of(driver).socket.close(1000)
        delay = await fake_clock.slept(3)
    assert (delay == 3.0) == reset


async def test_it_comes_back_when_the_server_was_restarted(
    driver: Driver, fake_clock: FakeClock, logs: Logs
) -> None:
    """Trap: no reconnect after a server restart (go-cqhttp#1034)."""
    hooks: list[str] = []
    driver.on_bot_connect(lambda bot: hooks.append("connected"))
    driver.on_bot_disconnect(lambda bot: hooks.append("left"))
    shutting_down = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.upgrade()
        await shutting_down.wait()
        await connection.send_frame(frames.close(1012, "restart"))
        await connection.read_close()

    async with WEBSOCKET.running(driver, serve) as server:
        await eventually(lambda: driver.bots)
        first = bot_of(driver)
        await server.refuse()
        shutting_down.set()
        for number in (1, 2):
            await fake_clock.slept(number)
            await fake_clock.advance_to_next()
        await fake_clock.slept(3)
        assert not driver.bots
        server.scripts = [scripts.echo()]
        await server.listen()
        await fake_clock.advance_to_next()
        await eventually(lambda: driver.bots)
        assert bot_of(driver) is not first
        await settle()
        assert hooks == ["connected", "left", "connected"]
    closed, refused = logs.messages("WARNING")
    assert closed.startswith("Bot 1 of recorder disconnected (forward WebSocket, 1012: restart); ")
    assert refused.startswith(
        "The forward WebSocket of bot 1 of recorder has failed 2 times in 3 s"
    )
    assert "\n" not in closed + refused
    assert len(logs.matching("is back after ")) == 1
    assert len(logs.matching(" connected (forward WebSocket, ws://")) == 1
    assert hooks == ["connected", "left", "connected", "left"]


# Two connections of one id


def two_setups(driver: Driver, first: ScriptedServer, second: ScriptedServer) -> None:
    """Let bot 1 connect to the first server, then again to the second."""

    async def later() -> Any:
        await eventually(lambda: driver.bots)
        return websocket(second.ws_url)

    driver.setup_websocket(websocket(first.ws_url))
    driver.setup_websocket(later)


@pytest.mark.parametrize("policy", ["probe", "reject"])
async def test_a_second_connection_of_a_living_bot_is_closed_and_slow(
    fake_clock: FakeClock, adapter: Adapter, logs: Logs, policy: str
) -> None:
    driver = clocked_driver(fake_clock, adapter, duplicate_bot=policy)
    async with ScriptedServer(scripts.echo()) as first, ScriptedServer(scripts.echo()) as second:
        two_setups(driver, first, second)
        async with driver.lifespan():
            await eventually(lambda: driver.bots)
            bot = bot_of(driver)
            assert await fake_clock.slept(1) == SLOWEST
            await eventually(lambda: closes(second))
            assert closes(second) == [(1000, "the bot is connected already")]
            assert driver.bots == {"1": bot}
            await bot.socket.send("alive")
            await eventually(lambda: adapter.messages)
    assert "DuplicateBotError: bot 1 is already connected" in logs.messages("WARNING")[0]


async def test_the_stop_interrupts_a_probe(fake_clock: FakeClock, adapter: Adapter) -> None:
    driver = clocked_driver(fake_clock, adapter, probe_timeout=60, close_timeout=0.1)
    silent = scripts.half_open()
    async with ScriptedServer(silent) as first, ScriptedServer(scripts.echo()) as second:
        two_setups(driver, first, second)
        await driver._lifespan.start()
        await eventually(lambda: any(a.frames for a in first.attempts))
        began = asyncio.get_running_loop().time()
        await within(driver._lifespan.stop())
        assert asyncio.get_running_loop().time() - began < 3
        await eventually(lambda: closes(second))
        assert closes(second)[0][0] == 1001
    assert not driver.bots


# Stop


async def test_the_peer_is_told_that_the_bot_goes_away(driver: Driver) -> None:
    """Trap: a WebSocket that is not closed costs the stop its whole timeout."""
    async with WEBSOCKET.running(driver, scripts.echo()) as server:
        await eventually(lambda: driver.bots)
        socket = bot_of(driver).socket
    assert closes(server) == [(1001, "the bot stops")]
    for use in (socket.send("x"), socket.receive(), socket.receive_bytes()):
        with pytest.raises(WebSocketClosed):
            await use
    await socket.close(1000)


@pytest.mark.promise("forward: handshake, idle and close have timeouts of their own")
@pytest.mark.parametrize("reading", [True, False])
async def test_a_peer_that_does_not_answer_the_close_delays_the_stop_no_longer(
    fake_clock: FakeClock, adapter: Adapter, reading: bool
) -> None:
    driver = clocked_driver(fake_clock, adapter, close_timeout=0.1)

    async def stubborn(connection: Connection) -> None:
        await connection.upgrade()
        if not reading:
            connection.stop_reading()
        await asyncio.get_running_loop().create_future()

    async with ScriptedServer(stubborn) as server:
        driver.setup_websocket(websocket(server.ws_url))
        await driver._lifespan.start()
        await eventually(lambda: driver.bots)
        began = asyncio.get_running_loop().time()
        await within(driver._lifespan.stop())
        assert asyncio.get_running_loop().time() - began < 3
        assert not driver.bots


async def test_a_connection_of_the_moment_of_the_stop_is_closed(
    driver: Driver, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handshake ends just when the stop has passed by the sockets that it closes."""
    stops: list[asyncio.Future[None]] = []
    connect: Callable[..., Any] = ReconnectLoop._connect

    async def connect_and_stop(*arguments: Any) -> Any:
        socket = await connect(*arguments)
        stops.append(asyncio.ensure_future(driver._lifespan.stop()))
        return socket

    monkeypatch.setattr(ReconnectLoop, "_connect", connect_and_stop)
    async with ScriptedServer(scripts.echo()) as server:
        driver.setup_websocket(websocket(server.ws_url))
        await driver._lifespan.start()
        await eventually(lambda: stops)
        await within(stops[0])
        await eventually(lambda: closes(server))
        assert closes(server)[0][0] == 1001
    assert not driver.bots


async def test_hundreds_of_connections_do_not_starve_the_api_calls(
    fake_clock: FakeClock, adapter: Adapter
) -> None:
    """Trap: a connector holds 100 connections by default, and WebSockets hold theirs for days."""
    driver = clocked_driver(fake_clock, adapter)
    serving, api = scripts.echo(), scripts.status(200, b"answer")
    async with ScriptedServer(serving) as server:
        for number in range(120):
            driver.setup_websocket(websocket(server.ws_url, self_id=str(number)))
        async with driver.lifespan():
            await eventually(lambda: len(driver.bots) == 120)
            server.scripts = [api]
            request = driver.session.get(server.url, timeout=aiohttp.ClientTimeout(5))
            async with request as response:
                assert await response.read() == b"answer"


async def test_hooks_that_the_stop_cuts_off_are_logged_with_their_adapter(
    fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    driver = clocked_driver(fake_clock, adapter, drain_timeout=0.01, close_timeout=0.5)
    driver.on_bot_connect(lambda bot: asyncio.Event().wait())
    good = scripts.status(200, b"event")
    async with ScriptedServer(scripts.echo()) as server, ScriptedServer(good) as polled:
        driver.setup_websocket(websocket(server.ws_url))
        driver.setup_http_polling(polling(polled.url, self_id="2"))
        async with driver.lifespan():
            await eventually(lambda: len(driver.bots) == 2)
    # Two each: the disconnect hooks wait for the connect hooks.
    (error,) = logs.messages("ERROR")
    assert error.startswith("Cut off 4 hook(s) of recorder that had not ended: tests.functional")
