"""How long a connector lives: with its pool, and as long as somebody holds it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from nonebot_aiohttp import DriverOptions
from nonebot_aiohttp.session import SessionPool
from tests.support.hosts import serve_application
from tests.support.waiting import within

pytestmark = pytest.mark.both_loops


async def test_what_is_held_outlives_the_pool() -> None:
    """Who reads an answer when the connector is closed would wait for ever."""
    proceed = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await proceed.wait()
        await response.write(b"whole")
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    pool = SessionPool(DriverOptions())
    async with serve_application(app) as port:
        await pool.open()
        held = pool.hold()
        url = f"http://127.0.0.1:{port}/"
        async with pool.isolated() as client, client.get(url) as response:
            await pool.close()
            assert not pool.is_open
            proceed.set()
            assert await within(response.read()) == b"whole"
        assert not held.closed
        await pool.release(held)
        assert held.closed


async def test_a_pool_is_open_on_its_own_loop_only() -> None:
    pool = SessionPool(DriverOptions())
    await pool.open()

    async def elsewhere() -> bool:
        return pool.is_open

    assert pool.is_open
    assert await asyncio.to_thread(asyncio.run, elsewhere()) is False
    await pool.close()
