"""The hosts that serve a driver's endpoints on a port of 127.0.0.1, each as a context manager."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from aiohttp import web

from nonebot_aiohttp import Driver
from tests.support.client import RawClient
from tests.support.waiting import eventually, within
from tests.support.wire import Headers, Response

PREFIX = "/site/bot"
"""The path below which `subapp` serves."""


@dataclass(frozen=True)
class Host:
    """A port of 127.0.0.1 where a driver is served, by `aiohttp` or `asgi`, below a prefix."""

    transport: str
    port: int
    prefix: str = ""
    driver: Any = None

    async def client(self) -> RawClient:
        """Connect."""
        return await RawClient.connect(self.port)

    async def request(
        self, method: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> Response:
        """Send one request on a connection of its own; `target` is below the prefix."""
        async with await self.client() as client:
            return await client.request(method, self.prefix + target, headers, body)

    async def post(self, body: bytes = b"event", headers: Headers = ()) -> Response:
        """Send one webhook of bot 1 to the adapter `recorder`."""
        return await self.request("POST", "/recorder/", headers or {"X-Self-ID": "1"}, body)

    async def upgrade(
        self, client: RawClient, headers: Headers = (), target: str = "/recorder/ws"
    ) -> Response:
        """Ask for a WebSocket as bot 1, or with other headers."""
        return await client.upgrade(self.prefix + target, headers or {"X-Self-ID": "1"})

    @asynccontextmanager
    async def connected(self, headers: Headers = ()) -> AsyncIterator[RawClient]:
        """Give a client whose WebSocket is accepted."""
        async with await self.client() as client:
            response = await self.upgrade(client, headers)
            assert response.status == 101, response
            yield client

    @asynccontextmanager
    async def bot_connected(self, headers: Headers = ()) -> AsyncIterator[RawClient]:
        """Give a client whose bot is in `driver.bots`."""
        async with self.connected(headers) as client:
            await eventually(lambda: self.driver.bots)
            yield client


Serving = Callable[[Driver], AbstractAsyncContextManager[Host]]


@asynccontextmanager
async def own_process(driver: Driver) -> AsyncIterator[Host]:
    """Serve with the driver's own server."""
    addresses: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        driver.serve("127.0.0.1", 0, started=lambda found: addresses.set_result(found))
    )
    await eventually(lambda: addresses.done() or serving.done(), what="the start of the driver")
    try:
        if addresses.done():
            yield Host("aiohttp", addresses.result()[0][1], driver=driver)
    finally:
        if not serving.done():
            driver.exit()
        await within(serving)


@asynccontextmanager
async def subapp(driver: Driver) -> AsyncIterator[Host]:
    """Serve in a subapplication of a subapplication, below `PREFIX`."""
    site, root = web.Application(), web.Application()
    site.add_subapp("/bot/", driver.server_app)
    root.add_subapp("/site/", site)
    async with serve_application(root) as port:
        yield Host("aiohttp", port, PREFIX, driver)


@asynccontextmanager
async def attached(driver: Driver) -> AsyncIterator[Host]:
    """Serve at the root of an application."""
    app = web.Application()
    driver.attach(app)
    async with serve_application(app) as port:
        yield Host("aiohttp", port, driver=driver)


@asynccontextmanager
async def serve_application(
    app: web.Application, ssl_context: ssl.SSLContext | None = None, **arguments: Any
) -> AsyncIterator[int]:
    """Serve an application with aiohttp's runner and these arguments; give the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **arguments)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
        yield runner.addresses[0][1]
    finally:
        await within(runner.cleanup())


@asynccontextmanager
async def asgi(driver: Driver) -> AsyncIterator[Host]:
    """Serve `driver.asgi` with uvicorn."""
    async with serve_asgi(driver.asgi) as port:
        yield Host("asgi", port, driver=driver)


@asynccontextmanager
async def serve_asgi(app: Any, **settings: Any) -> AsyncIterator[int]:
    """Serve an ASGI application with uvicorn; give the port."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        lifespan="on",
        timeout_graceful_shutdown=5,
        **settings,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        try:
            await eventually(lambda: server.started or serving.done(), what="the start of uvicorn")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await within(serving)


HOSTS: dict[str, Serving] = {
    "own_process": own_process,
    "subapp": subapp,
    "attached": attached,
    "asgi": asgi,
}
"""The hosts, which must behave alike."""
