"""Fixtures: one driver for all examples of a test, programs, and seeds."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest

from tests.process.conftest import launch as launch  # Which starts programs.
from tests.support.bots import RecordingBot, make_driver, new_adapter
from tests.support.hosts import Host, own_process
from tests.support.waiting import eventually

SETTINGS = {
    "aiohttp_body_timeout": 10,
    "aiohttp_keepalive_timeout": 30,
    "aiohttp_close_timeout": 0.5,
    "aiohttp_max_body_size": 1000,
    "aiohttp_max_message_size": 1000,
}
"""Sizes that generated input exceeds, and times that no stalled machine does."""


@pytest.fixture
def seed() -> int:
    """Draw a seed for the choices of a long test, or take that of the run to repeat."""
    drawn = int(os.environ.get("PYTEST_STRESS_SEED", random.randrange(1 << 32)))
    print(f"repeat it with PYTEST_STRESS_SEED={drawn}")
    return drawn


@pytest.fixture
def adapter() -> type[RecordingBot]:
    return new_adapter()


@pytest.fixture
async def host(adapter: type[RecordingBot]) -> AsyncIterator[Host]:
    """Serve with the driver's own server."""
    async with own_process(make_driver(adapter, **SETTINGS)) as served:
        yield served
    # aiohttp reads on for 10 s from a peer that has gone after its request was refused early.
    await eventually(lambda: not _lingering(), 15.0, "the end of aiohttp's lingering")


def _lingering() -> list[str]:
    """Find the connections of aiohttp's server that have not ended."""
    coroutines = [repr(task.get_coro()) for task in asyncio.all_tasks()]
    return [coroutine for coroutine in coroutines if "RequestHandler" in coroutine]
