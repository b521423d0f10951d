"""Fixtures for the tests against real sockets."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.subjects.flat_asgi import flatten
from nonebot_aiohttp import Driver
from tests.support.bots import RecordingBot, new_adapter
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, WEBSOCKET, Way, clocked_driver
from tests.support.hosts import HOSTS, Host, Serving, serve_asgi
from tests.support.sides import SIDES, Side


@asynccontextmanager
async def prototype(driver: Driver) -> AsyncIterator[Host]:
    """Serve with the benchmark's prototype, whose figures count as it keeps all promises."""
    endpoints = driver._host._face.endpoints
    for name in driver._adapters:
        for end in ("", "/", "/http", "/http/"):
            # It leaves the first request of a path to the driver.
            endpoints.find(f"/{name}{end}", "POST", upgrade=False)
    async with serve_asgi(flatten(driver)) as port:
        yield Host("asgi", port)


SERVED = dict(HOSTS)
if sys.version_info >= (3, 13):
    # The benchmark's Python; elsewhere nobody measures it.
    SERVED["prototype"] = prototype


@pytest.fixture(params=sorted(SERVED))
def serving(request: pytest.FixtureRequest) -> Serving:
    """Give each of the hosts, which must behave alike."""
    return SERVED[request.param]


@pytest.fixture
def adapter() -> type[RecordingBot]:
    """Give an adapter that has recorded nothing yet."""
    return new_adapter()


@pytest.fixture(params=sorted(SIDES))
def side(request: pytest.FixtureRequest) -> Side:
    """Give both sides of a WebSocket, which must behave alike."""
    return SIDES[request.param]


@pytest.fixture(params=[POLLING, WEBSOCKET], ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    """Give both ways to connect to a platform, for what holds for both."""
    found: Way = request.param
    return found


@pytest.fixture
def driver(fake_clock: FakeClock, adapter: type[RecordingBot]) -> Driver:
    """Give a driver whose forward loops wait on the fake clock."""
    return clocked_driver(fake_clock, adapter)


@pytest.fixture
def hooks(driver: Driver) -> list[str]:
    """Give the list of the connect and disconnect hooks of the driver that have run."""
    ran: list[str] = []
    driver.on_bot_connect(lambda bot: ran.append(f"{bot.self_id} connected"))
    driver.on_bot_disconnect(lambda bot: ran.append(f"{bot.self_id} left"))
    return ran
