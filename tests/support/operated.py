"""Drivers that operators look at, and what they see, over real sockets."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import web

from nonebot_aiohttp import Driver
from nonebot_aiohttp.adapters import Bot
from tests.support.bots import make_driver
from tests.support.client import RawClient
from tests.support.hosts import own_process, serve_application
from tests.support.waiting import within
from tests.support.wire import Headers, Response

TOKEN = "Three-0-Clock-in-the-M0rning"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

DETAILS = re.compile(rb'"versions"|nonebot_aiohttp_info|<html|not connected')
"""Something that only the status, the metrics and the page have."""

OPEN = ("/livez", "/readyz")
"""The paths that need no token."""

GUARDED = ("/status", "/metrics", "/", "/readyz?bots=1")
"""What needs the token."""


def operated(*adapters: type[Bot], token: str | None = TOKEN, **settings: Any) -> Driver:
    """Make a driver with a port for operators; the settings are without ``aiohttp_``."""
    fields = {"ops_port": "0", "ops_token": token, **settings}
    return make_driver(*adapters, **{f"aiohttp_{name}": fields[name] for name in fields})


def port_of(driver: Driver) -> int:
    """Return the port on which operators look at a driver."""
    return int(driver._operations.listener.addresses[0][1])


async def ask(port: int, target: str, headers: Headers = (), method: str = "GET") -> Response:
    """Ask on a connection of its own, by a name that is allowed."""
    fields = {"Host": f"127.0.0.1:{port}", "Connection": "close", **dict(headers)}
    async with await RawClient.connect(port) as client:
        return await client.request(method, target, fields)


async def send(port: int, *data: bytes) -> bytes:
    """Send bytes as they are, and read until the server has closed the connection."""
    async with await RawClient.connect(port) as client:
        await client.send(*data)
        return await client.read_to_end()


def head(method: str, target: str, *lines: str, host: str = "127.0.0.1") -> bytes:
    """Make a request that ends the connection."""
    fixed = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    """Read the status of each response."""
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


async def read_status(port: int, prefix: str = "") -> dict[str, Any]:
    """Read the status as an operator does."""
    response = await ask(port, f"{prefix}/status", BEARER)
    assert response.status == 200, response
    found: dict[str, Any] = json.loads(response.body)
    return found


@asynccontextmanager
async def on_its_port(driver: Driver) -> AsyncIterator[tuple[int, str]]:
    """Run a driver in this process; give the port of operators, and no prefix."""
    async with own_process(driver):
        yield port_of(driver), ""


@asynccontextmanager
async def beneath_its_lifespan(driver: Driver) -> AsyncIterator[tuple[int, str]]:
    """Run a driver without a server."""
    async with driver.lifespan():
        yield port_of(driver), ""


@asynccontextmanager
async def under_asgi(driver: Driver) -> AsyncIterator[tuple[int, str]]:
    """Run a driver as an ASGI server does, on the loop of the test."""
    from tests.support.asgi import Call

    async with Call(driver.asgi, {"type": "lifespan", "asgi": {"version": "3.0"}}) as call:
        await call.give("lifespan.startup")
        assert (await call.next())["type"] == "lifespan.startup.complete"
        try:
            yield port_of(driver), ""
        finally:
            await call.give("lifespan.shutdown")
            assert (await within(call.next()))["type"] == "lifespan.shutdown.complete"


@web.middleware
async def _sites_own(request: web.Request, handler: Any) -> web.StreamResponse:
    """Add a header, as the middleware of a site does."""
    response: web.StreamResponse = await handler(request)
    response.headers["X-Site"] = "here"
    return response


@asynccontextmanager
async def mounted(driver: Driver) -> AsyncIterator[tuple[int, str]]:
    """Mount the operators' application in a site with a middleware, beside the bots."""
    site = web.Application(middlewares=[_sites_own])
    site.add_subapp("/bots/", driver.server_app)
    site.add_subapp("/ops", driver.operations)
    async with serve_application(site) as port:
        yield port, "/ops"


Looking = Callable[[Driver], AbstractAsyncContextManager[tuple[int, str]]]

PLACES: dict[str, Looking] = {
    "its port": on_its_port,
    "lifespan()": beneath_its_lifespan,
    "asgi": under_asgi,
    "add_subapp": mounted,
}
"""Where operators find what they see."""
