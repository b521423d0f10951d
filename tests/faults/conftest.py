"""Fixtures for the tests with generated input: each example goes to the same driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

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
def adapter() -> type[RecordingBot]:
    """Give an adapter that has recorded nothing yet."""
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
