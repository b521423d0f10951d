"""An ASGI application behind the bot's own paths, over TLS, Unix sockets, and odd applications."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.support.certs import Tls
from tests.support.client import RawClient
from tests.support.guests import GuestDriver, everywhere, serving_guest
from tests.support.hosts import serve_application
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops

AIOHTTP = tuple(map(int, re.findall(r"\d+", aiohttp.__version__)[:2]))

NAMES = ("scheme", "client", "server")


class Site:
    """Shows scopes, and streams until its client leaves."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/show", self.show),
                Route("/half", self.half),
                Route("/stream", self.stream),
                WebSocketRoute("/ws", self.websocket),
                WebSocketRoute("/ws/wait", self.wait),
            ]
        )

    async def show(self, request: Request) -> Response:
        return JSONResponse({name: request.scope[name] for name in NAMES})

    async def websocket(self, ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(json.dumps({name: ws.scope[name] for name in NAMES}))
        await ws.close(4001)

    async def wait(self, ws: WebSocket) -> None:
        await ws.accept()
        try:
            await ws.receive_text()
        finally:
            self.closed.set()

    async def half(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("this stream always fails")

        return StreamingResponse(parts())

    async def stream(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                yield b"begun"
                await asyncio.Event().wait()
            finally:
                self.closed.set()

        return StreamingResponse(parts())


@asynccontextmanager
async def served(app: Any, *, settings: dict[str, Any], **where: Any) -> AsyncIterator[Any]:
    """Serve in the own process; give where."""
    driver, started = GuestDriver(app, everywhere, **settings), asyncio.Event()
    addresses: list[Any] = []

    def begin(found: list[Any]) -> None:
        addresses.extend(found)
        started.set()

    serving = asyncio.create_task(driver.serve(started=begin, **where))
    await within(started.wait())
    try:
        yield addresses[0]
    finally:
        driver.exit()
        await within(serving)


async def test_over_tls(tls: Tls) -> None:
    settings = {"ssl_certfile": tls.cert_file, "ssl_keyfile": tls.key_file}
    where = {"host": "127.0.0.1", "port": 0}
    async with served(Site().app, settings=settings, **where) as (_, port):
        async with await RawClient.connect(port, ssl_context=tls.client) as client:
            shown = json.loads((await client.request("GET", "/show")).body)
            assert (shown["scheme"], shown["server"]) == ("https", ["127.0.0.1", port])
            assert (await client.upgrade("/ws")).status == 101
            assert json.loads((await client.read_message()).payload)["scheme"] == "wss"
            assert (await client.read_close()).payload == b"\x0f\xa1"
        async with await RawClient.connect(port, ssl_context=tls.client) as client:
            await client.send_request("GET", "/half")
            assert not (await client.read_to_end()).endswith(b"0\r\n\r\n")


@pytest.mark.skipif(
    sys.version_info < (3, 11) and AIOHTTP < (3, 11),
    reason="asyncio warns of TLS that is gone, and that aiohttp has not closed",
)
async def test_a_client_that_leaves_over_tls(tls: Tls) -> None:
    settings = {"ssl_certfile": tls.cert_file, "ssl_keyfile": tls.key_file}
    site = Site()
    async with served(site.app, settings=settings, host="127.0.0.1", port=0) as (_, port):
        async with await RawClient.connect(port, ssl_context=tls.client) as client:
            await client.send_request("GET", "/stream")
            await within(client.reader.readuntil(b"begun"))
        await within(site.closed.wait())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets here")
async def test_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "bot.sock")
    async with (
        served(Site().app, settings={}, path=path),
        await RawClient.connect_unix(path) as client,
    ):
        shown = json.loads((await client.request("GET", "/show")).body)
        assert shown == {"scheme": "http", "client": None, "server": [path, None]}
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        shown = json.loads((await client.request("GET", "/show", headers)).body)
        assert (shown["scheme"], shown["client"]) == ("https", ["192.0.2.1", 0])


@asynccontextmanager
async def attached(app: Any, site: web.Application, **arguments: Any) -> AsyncIterator[int]:
    """Serve at the root of an aiohttp application with arguments of its author's; give the port."""
    GuestDriver(app, everywhere).attach(site)
    async with serve_application(site, **arguments) as port:
        yield port


async def leave_a_stream(port: int, site: Site) -> None:
    """Leave when a stream has begun, and see that it ends."""
    async with await RawClient.connect(port) as client:
        await client.send_request("GET", "/stream")
        await within(client.reader.readuntil(b"begun"))
    await within(site.closed.wait())


async def test_where_handlers_are_cancelled_when_their_clients_leave(logs: Logs) -> None:
    site = Site()
    async with attached(site.app, web.Application(), handler_cancellation=True) as port:
        await leave_a_stream(port, site)
    assert not logs.matching("", "ERROR")


async def test_where_websockets_are_cancelled_when_their_clients_leave(logs: Logs) -> None:
    site = Site()
    async with attached(site.app, web.Application(), handler_cancellation=True) as port:
        async with await RawClient.connect(port) as client:
            assert (await client.upgrade("/ws/wait")).status == 101
            client.reset()
        await within(site.closed.wait())
    assert not logs.matching("", "ERROR")


@web.middleware
async def from_headers(request: web.Request, handler: Any) -> web.StreamResponse:
    """Say whom the proxy has seen, as aiohttp-remotes does it."""
    response: web.StreamResponse = await handler(request.clone(scheme="https", remote="192.0.2.9"))
    return response


async def test_where_middleware_makes_another_request(logs: Logs) -> None:
    site = Site()
    async with attached(site.app, web.Application(middlewares=[from_headers])) as port:
        async with await RawClient.connect(port) as client:
            shown = json.loads((await client.request("GET", "/show")).body)
            assert (shown["scheme"], shown["client"]) == ("https", ["192.0.2.9", 0])
        await leave_a_stream(port, site)
    assert not logs.matching("", "ERROR")


async def test_signals_of_the_application_see_pages() -> None:
    async def mark(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Marked"] = "yes"

    site = web.Application()
    site.on_response_prepare.append(mark)
    async with attached(Site().app, site) as port, await RawClient.connect(port) as client:
        assert (await client.request("GET", "/show")).header("x-marked") == "yes"


async def test_nobody_looks_after_clients_when_no_request_is_open() -> None:
    async with (
        serving_guest(Site().app, "attached") as (host, driver),
        await host.client() as client,
    ):
        await client.request("GET", "/show")
        guest: Any = driver._host._transport.guest
        await eventually(lambda: guest._clients._timer is None, what="the end of the looks")


async def test_a_page_of_one_byte_and_one_of_many() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            text = "x" * (1 if scope["path"] == "/one" else 10_000_000)
            await PlainTextResponse(text)(scope, receive, send)

    async with attached(app, web.Application()) as port, await RawClient.connect(port) as client:
        assert (await client.request("GET", "/one")).body == b"x"
        assert len((await client.request("GET", "/many")).body) == 10_000_000
