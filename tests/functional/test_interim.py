"""Interim responses (RFC 9110, section 15.2), which may come before an answer, and without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from nonebot_aiohttp.connections.interim import MAX_INTERIM
from nonebot_aiohttp.connections.sessions import SessionPool
from tests.support.certs import Tls
from tests.support.pools import opened
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
SIZE = 20 * MAX_INTERIM


@pytest.fixture
async def pool(tls: Tls) -> AsyncIterator[SessionPool]:
    async with opened(ssl_cafile=tls.ca_file) as pool:
        yield pool


async def flood(connection: Connection) -> None:
    """Give hints, and never an answer."""
    await connection.read_request()
    while not connection.is_closing:
        await connection.send(HINT * 2000)
        # The sending does not wait when the other end has gone.
        await asyncio.sleep(0)


async def hint(connection: Connection) -> None:
    """Give a few hints, and answer."""
    await connection.read_request()
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    await connection.send(HINT * 100 + head + b"x" * SIZE)


@pytest.mark.parametrize("secure", [False, True])
async def test_a_server_that_never_gets_to_its_answer_is_left(
    secure: bool, pool: SessionPool, tls: Tls
) -> None:
    async with ScriptedServer(flood, ssl_context=tls.server if secure else None) as server:
        with pytest.raises(aiohttp.ClientError):
            # A POST is not sent again by itself.
            await within(pool.get().post(server.url))
        await eventually(lambda: server.attempts[0].ended)


@pytest.mark.parametrize("secure", [False, True])
async def test_a_few_of_them_are_passed_over_and_a_large_answer_comes_whole(
    secure: bool, pool: SessionPool, tls: Tls
) -> None:
    async with (
        ScriptedServer(hint, ssl_context=tls.server if secure else None) as server,
        pool.get().post(server.url) as response,
    ):
        assert len(await within(response.read())) == SIZE


async def test_an_answer_that_nobody_reads_is_not_taken_in(pool: SessionPool) -> None:
    """The bound does not resume what aiohttp has paused."""
    sent = 0

    async def endless(connection: Connection) -> None:
        nonlocal sent
        await connection.read_request()
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not connection.is_closing:
            await connection.send(b"x" * MAX_INTERIM)
            await asyncio.sleep(0)
            sent += MAX_INTERIM

    async with (
        ScriptedServer(endless) as server,
        pool.get().post(server.url) as response,
    ):
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
        # What the system's own buffers take.
        assert sent < 64 * MAX_INTERIM
        response.close()
