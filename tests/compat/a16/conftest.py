"""Fixtures of the tests for NoneBot 2.0.0a14 to 2.0.0a16."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from ..support.onebot import Platform, platform


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    """The platform."""
    async with platform() as there:
        yield there


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """The platform's HTTP and WebSocket client."""
    async with aiohttp.ClientSession() as client:
        yield client
