"""One deadline for the whole stop, whatever hangs: the limits of its parts do not add up.

The tests compare times only with the sum of these limits.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from nonebot_aiohttp import Bot
from tests.process.test_serving import SHUTDOWN, Bench
from tests.support import frames
from tests.support.client import RawClient
from tests.support.logs import Logs
from tests.support.waiting import settle

pytestmark = pytest.mark.both_loops

LARGE = 32 << 20
"""Bytes, more than any system buffers for a peer that does not read."""

CLOSE = 2.0
"""Seconds of ``aiohttp_close_timeout``."""


async def never() -> None:
    await asyncio.get_running_loop().create_future()


def serving_large_page(**settings: Any) -> Bench:
    """Make a driver whose application has a large page."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * LARGE)

    made = Bench(**settings)
    made.driver.server_app.router.add_get("/large", answer)
    return made


async def deaf_stranger(bench: Bench) -> RawClient:
    """Pipeline requests for more than the system's buffers hold, and read nothing."""
    client = await RawClient.connect(bench.port)
    client.stop_reading()
    for _ in range(3):
        await client.send_request("GET", "/large")
    return client


async def deaf_websocket(bench: Bench) -> RawClient:
    """Open a WebSocket, have the bot send more than the system's buffers hold, and read nothing."""
    client = await RawClient.connect(bench.port)
    assert (await client.upgrade("/platform/ws", {"X-Self-ID": "7"})).status == 101
    client.stop_reading()
    await client.send_frame(frames.text(json.dumps({"do": "send", "size": LARGE})))
    await bench.noted("begun")
    return client


async def seconds_to_stop(bench: Bench) -> float:
    """Stop the program; return the seconds that it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    bench.driver.exit()
    await bench.end()
    return loop.time() - began


@pytest.mark.promise("life: one deadline bounds the whole stop")
async def test_only_peers_hang(logs: Logs) -> None:
    settings = {"aiohttp_drain_timeout": 0.1, "aiohttp_close_timeout": CLOSE}
    async with (
        serving_large_page(**settings) as bench,
        await deaf_stranger(bench),
        await deaf_websocket(bench),
    ):
        # Not one timeout for the handshake, two for aiohttp's server, and one for the rest.
        assert await seconds_to_stop(bench) < 2 * CLOSE
    assert logs.messages("ERROR") == ["Cut off 1 handler(s) of platform that had not ended"]
    assert logs.messages("WARNING") == ["Dropped 1 connection(s) that have not taken their answers"]


@pytest.mark.promise("life: one deadline bounds the whole stop")
@pytest.mark.promise("life: disconnect hooks run within the deadline")
async def test_everything_hangs(logs: Logs) -> None:
    async with serving_large_page(aiohttp_drain_timeout=0.5, aiohttp_close_timeout=CLOSE) as bench:
        bench.driver.on_shutdown(never)

        @bench.driver.on_bot_disconnect
        async def hang(_: Bot) -> None:
            await never()

        async with await deaf_stranger(bench), await deaf_websocket(bench):
            assert await seconds_to_stop(bench) < 0.5 + CLOSE + CLOSE + CLOSE
    assert bench.notes[-2:] == SHUTDOWN
    here = "tests.process.test_deadline.test_everything_hangs.<locals>.hang"
    assert logs.messages("ERROR") == [
        "Cut off 1 handler(s) of platform that had not ended",
        f"Cut off 1 hook(s) of platform that had not ended: {here}",
        "Cut off the shutdown hook tests.process.test_deadline.never that had not ended",
    ]
    assert logs.matching("Stopped; not all that ran has ended", "INFO")


async def test_tasks_of_others_hold_up_no_stop() -> None:
    """Trap: the stop waited for every task in the loop, those of plugins too (a16)."""
    async with serving_large_page() as bench:
        plugin = asyncio.create_task(never())
        bench.driver.exit()
        await bench.end()
        assert not plugin.done()
        plugin.cancel()
    assert bench.notes[-2:] == SHUTDOWN


@pytest.mark.promise("life: a hook that hangs does not skip those behind it")
async def test_a_shutdown_hook_that_hangs_does_not_skip_those_behind_it(logs: Logs) -> None:
    async with serving_large_page(aiohttp_drain_timeout=0, aiohttp_close_timeout=0.5) as bench:
        for _ in range(3):
            bench.driver.on_shutdown(never)
        bench.driver.exit()
        await bench.end()
    assert bench.notes[-2:] == SHUTDOWN
    assert len(logs.matching("Cut off the shutdown hook", "ERROR")) == 3


async def test_the_signals_of_an_application_have_a_deadline_too(logs: Logs) -> None:
    made = Bench(aiohttp_drain_timeout=0, aiohttp_close_timeout=0.5)
    ran: list[str] = []

    async def hang(_: Any) -> None:
        await never()

    async def behind(_: Any) -> None:
        ran.append("cleanup")

    made.driver.server_app.on_shutdown.append(hang)
    made.driver.server_app.on_cleanup.append(behind)
    await made.start()
    made.driver.exit()
    await made.end()
    assert ran == ["cleanup"]
    assert logs.matching("Cut off on_shutdown of server_app that had not ended", "ERROR")


async def test_an_application_that_fails_at_its_end_is_cleaned_up_and_heard_of() -> None:
    made = Bench()
    ran: list[str] = []

    async def fail(_: Any) -> None:
        raise ValueError("wrong")

    async def behind(_: Any) -> None:
        ran.append("cleanup")

    made.driver.server_app.on_shutdown.append(fail)
    made.driver.server_app.on_cleanup.append(behind)
    await made.start()
    async with await RawClient.connect(made.port) as client:
        made.driver.exit()
        with pytest.raises(ValueError, match="wrong"):
            await made.end()
        assert await client.read_to_end() == b""
    assert ran == ["cleanup"]


async def test_what_is_unsent_is_sent_before_the_connection_goes() -> None:
    async with serving_large_page() as bench, await RawClient.connect(bench.port) as client:
        client.stop_reading()
        await client.send_request("GET", "/large")
        await settle()
        bench.driver.exit()
        await settle()
        client.read_again()
        assert len((await client.read_response()).body) == LARGE
        await bench.end()
