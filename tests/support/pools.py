"""Session pools, and calls through them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nonebot_aiohttp import DriverOptions
from nonebot_aiohttp.connections.sessions import SessionPool


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[SessionPool]:
    """Give an open pool."""
    pool = SessionPool(DriverOptions.parse(settings))
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


async def ask(pool: SessionPool, url: str, **arguments: Any) -> bytes:
    """Return the answer to an API call."""
    async with pool.get().get(url, **arguments) as response:
        return await response.read()
