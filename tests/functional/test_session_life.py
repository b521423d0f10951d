"""How long connectors and lent sessions live: with their pool, and as long as somebody has them."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from nonebot_aiohttp import DriverOptions
from nonebot_aiohttp.connections.sessions import MAX_SPARE, SessionPool
from tests.support import scripts
from tests.support.hosts import serve_application
from tests.support.pools import opened
from tests.support.server import ScriptedServer
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
    async with opened() as pool:

        async def elsewhere() -> bool:
            return pool.is_open

        assert pool.is_open
        assert await asyncio.to_thread(asyncio.run, elsewhere()) is False


async def test_a_lent_session_is_lent_again_without_its_cookies() -> None:
    login = scripts.status(302, b"", {"Location": "/home", "Set-Cookie": "session=1; Path=/"})
    async with opened() as pool, ScriptedServer(login, scripts.status(200)) as server:
        lent = pool.lend()
        async with lent.get(server.url) as response:
            assert response.status == 200
        await pool.take_back(lent)
        assert pool.lend() is lent
        async with lent.get(server.url):
            pass
        await pool.take_back(lent)
        sent = [attempt.request.header("Cookie") for attempt in server.attempts]
    assert lent.closed
    assert sent == [None, "session=1", None]


async def test_a_session_is_lent_to_one_request_at_a_time() -> None:
    async with opened() as pool:
        lent = [pool.lend() for _ in range(MAX_SPARE + 1)]
        assert len(set(lent)) == MAX_SPARE + 1
        for session in lent:
            await pool.take_back(session)
        # As many as once were needed are not kept for ever.
        assert [session.closed for session in lent] == [False] * MAX_SPARE + [True]
    assert all(session.closed for session in lent)


async def test_a_lent_session_outlives_the_pool_and_is_not_lent_by_the_next_one() -> None:
    pool = SessionPool(DriverOptions())
    await pool.open()
    lent = pool.lend()
    connector = lent.connector
    assert connector is not None
    await pool.close()
    await pool.open()
    assert not lent.closed
    await pool.take_back(lent)
    assert lent.closed
    assert connector.closed
    other = pool.lend()
    assert other is not lent
    await pool.take_back(other)
    await pool.close()
