"""Fixtures for the tests against real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from nonebot_aiohttp import Driver
from tests.support.bots import Adapter, new_adapter
from tests.support.certs import RenewedFiles
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, WEBSOCKET, Way, clocked_driver
from tests.support.hosts import HOSTS, Serving
from tests.support.sides import SIDES, Side


@pytest.fixture(params=sorted(HOSTS))
def serving(request: pytest.FixtureRequest) -> Serving:
    """Give each of the hosts, which must behave alike."""
    return HOSTS[request.param]


@pytest.fixture
def adapter() -> Adapter:
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
def driver(fake_clock: FakeClock, adapter: Adapter) -> Driver:
    """Give a driver whose forward loops wait on the fake clock."""
    return clocked_driver(fake_clock, adapter)


@pytest.fixture
def hooks(driver: Driver) -> list[str]:
    """Give the list of the connect and disconnect hooks of the driver that have run."""
    ran: list[str] = []
    driver.on_bot_connect(lambda bot: ran.append(f"{bot.self_id} connected"))
    driver.on_bot_disconnect(lambda bot: ran.append(f"{bot.self_id} left"))
    return ran


@pytest.fixture
def live(tmp_path: Path) -> RenewedFiles:
    """Give the files of a certificate, which can be renewed."""
    return RenewedFiles(tmp_path)
