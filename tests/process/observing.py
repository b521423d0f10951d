"""Helpers for the tests of the hosts, which compare each host with the table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.process import hosts
from tests.process.hosts import Host
from tests.support.client import RawClient
from tests.support.hosts import serve_application
from tests.support.waiting import settle
from tests.support.wire import Response


def check(promise: str, host: Host, holds: bool) -> None:
    """Compare what a test has seen with the table."""
    expected = hosts.holds(promise, host)
    assert holds is expected, f"{promise!r} under {host.name}: {holds}, the table says {expected}"


async def post(client: RawClient, host: Host, body: bytes, **headers: str) -> Response:
    """Send a webhook of bot 7 on a connection."""
    fields = {"X-Self-ID": "7"}
    fields.update((name.replace("_", "-"), value) for name, value in headers.items())
    return await client.request("POST", f"{host.prefix}/platform", fields, body)


async def post_until_accepted(host: Host, port: int, body: bytes) -> None:
    """Send an event until it is accepted, as a platform does."""
    while not await _is_accepted(host, port, body):
        await settle()


async def _is_accepted(host: Host, port: int, body: bytes) -> bool:
    try:
        async with await RawClient.connect(port) as client:
            client.patience = None
            return (await post(client, host, body)).status == 200
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


@asynccontextmanager
async def polled_platform(body: str) -> AsyncIterator[str]:
    """Answer polls; give the URL."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/", answer)
    async with serve_application(app) as port:
        yield f"http://127.0.0.1:{port}/"
