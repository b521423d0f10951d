"""SIGTERM with a thousand handlers in flight: every event that was accepted is handled."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

import pytest

from tests.process.conftest import Launch
from tests.process.hosts import GUNICORN, RUN, TWO_WORKERS, UVICORN, Host
from tests.process.programs import PATIENCE, Program
from tests.process.simulator import Platform, http_api
from tests.support.waiting import eventually

EVENTS = 1000
BOTS = [str(number) for number in range(10)]
IDS = Counter(str(number) for number in range(EVENTS))


async def connect_all(platform: Platform) -> None:
    for bot in BOTS:
        await platform.connect(bot)


async def send_by_socket(platform: Platform, numbers: range) -> None:
    """Send events over the WebSockets of the bots in turn."""
    for number in numbers:
        await platform.send(BOTS[number % len(BOTS)], do="work", id=number)


async def post_all(platform: Platform, numbers: range) -> None:
    """Send events as webhooks; all have to be accepted."""
    posts = [platform.post(BOTS[number % len(BOTS)], do="work", id=number) for number in numbers]
    assert set(await asyncio.gather(*posts)) == {200}


async def all_begun(program: Program) -> None:
    """Wait until all events are in flight; they end only after ``go``."""

    def begun() -> int:
        return sum(line.startswith("begun ") for line in program.journal)

    await eventually(lambda: begun() == EVENTS, PATIENCE, "all events in flight")


@pytest.mark.promise("life: every acknowledged event is handled")
@pytest.mark.parametrize("host", [RUN, GUNICORN], ids=lambda host: host.name)
async def test_events_of_both_ways_with_calls_over_the_socket(host: Host, launch: Launch) -> None:
    program = launch(host)
    async with Platform(program.port, host.prefix) as platform:
        await connect_all(platform)
        await send_by_socket(platform, range(EVENTS // 2))
        await post_all(platform, range(EVENTS // 2, EVENTS))
        await all_begun(program)
        await platform.send(BOTS[0], do="go")
        program.stop()
        assert await program.exit_code() == 0
        calls = [call["id"] for line in platform.lines.values() for call in line.calls]
    assert sorted(calls) == list(range(EVENTS))
    assert program.handled() == IDS


@pytest.mark.promise("life: every acknowledged event is handled")
async def test_two_workers(launch: Launch) -> None:
    program = launch(TWO_WORKERS, aiohttp_forward=False)
    await program.noted("started", count=2)
    async with Platform(program.port) as platform:
        await connect_all(platform)
        await send_by_socket(platform, range(EVENTS))
        await all_begun(program)
        for bot in BOTS:
            await platform.send(bot, do="go")
        program.stop()
        assert await program.exit_code() == 0
    assert program.handled() == IDS


@pytest.mark.promise("life: every acknowledged event is handled")
async def test_asgi_with_calls_over_http(launch: Launch) -> None:
    async with http_api() as (url, calls):
        program = launch(UVICORN, api_root=url)
        async with Platform(program.port) as platform:
            await post_all(platform, range(EVENTS))
            await all_begun(program)
            assert await platform.post(BOTS[0], do="go") == 200
            program.stop()
            # uvicorn stops in order, and then sends itself the signal.
            assert await program.exit_code() == -signal.SIGTERM
    assert sorted(call["id"] for call in calls) == list(range(EVENTS))
    assert program.handled() == IDS
