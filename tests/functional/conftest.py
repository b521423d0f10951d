"""Fixtures for the tests against real sockets."""

from __future__ import annotations

import pytest

from tests.support.bots import RecordingBot, new_adapter
from tests.support.hosts import HOSTS, Serving
from tests.support.sides import SIDES, Side


@pytest.fixture(params=sorted(HOSTS))
def serving(request: pytest.FixtureRequest) -> Serving:
    """Give each of the hosts, which must behave alike."""
    return HOSTS[request.param]


@pytest.fixture
def adapter() -> type[RecordingBot]:
    """Give an adapter that has recorded nothing yet."""
    return new_adapter()


@pytest.fixture(params=sorted(SIDES))
def side(request: pytest.FixtureRequest) -> Side:
    """Give both sides of a WebSocket, which must behave alike."""
    return SIDES[request.param]
