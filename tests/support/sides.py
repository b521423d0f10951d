"""Both sides of the driver's WebSocket, each against a raw peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from nonebot_aiohttp import DriverOptions, WebSocketClosed
from nonebot_aiohttp.connections.aiohttp_websocket import AiohttpWebSocket, ServerWebSocket
from nonebot_aiohttp.connections.client_websocket import ClientWebSocket
from nonebot_aiohttp.connections.websocket import DriverWebSocket
from nonebot_aiohttp.forward.reconnect import connect_arguments
from tests.support.certs import Tls
from tests.support.client import RawClient
from tests.support.hosts import serve_application
from tests.support.peer import Peer
from tests.support.server import Connection, ScriptedServer
from tests.support.waiting import DEADLINE, settle, within

FIELDS: dict[str, Any] = {"http_version": "1.1", "scheme": "ws", "path": "/"}


@dataclass(frozen=True)
class Ends:
    """The two ends of a connection: the driver's, and the peer's."""

    socket: AiohttpWebSocket
    peer: Peer


Side = Callable[..., AbstractAsyncContextManager[Ends]]
"""Makes a connection, over TLS if the argument is not None; the others are driver options."""


@asynccontextmanager
async def server_side(tls: Tls | None = None, **settings: Any) -> AsyncIterator[Ends]:
    """Give an accepted connection of which the driver is the server."""
    async with handshake(tls, **settings) as (socket, client, upgrading):
        await socket.accept()
        await upgrading
        yield Ends(socket, client)


@asynccontextmanager
async def handshake(
    tls: Tls | None = None, **settings: Any
) -> AsyncIterator[tuple[ServerWebSocket, RawClient, asyncio.Task[Any]]]:
    """Give a connection that is not accepted yet, its client, and the client's handshake."""
    options, done = DriverOptions(**settings), asyncio.Event()
    arrived: asyncio.Future[ServerWebSocket] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = ServerWebSocket(request, options, **FIELDS)
        arrived.set_result(socket)
        await done.wait()
        return socket.response if socket.accepted else web.Response(status=400)

    app = web.Application()
    app.router.add_get("/", handle)
    server, trusting = (tls.server, tls.client) if tls else (None, None)
    async with (
        serve_application(app, server) as port,
        await RawClient.connect(port, ssl_context=trusting) as client,
    ):
        upgrading = asyncio.create_task(client.upgrade("/"))
        try:
            yield await within(arrived), client, upgrading
        finally:
            arrived.result().abort("the test is over")
            done.set()
            await asyncio.gather(upgrading, return_exceptions=True)


@asynccontextmanager
async def client_side(tls: Tls | None = None, **settings: Any) -> AsyncIterator[Ends]:
    """Give a connection of which the driver is the client."""
    options, done = DriverOptions(**settings), asyncio.Event()
    arrived: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

    async def script(connection: Connection) -> None:
        await connection.upgrade()
        arrived.set_result(connection)
        await done.wait()

    speaking, trusting = (tls.server, tls.client) if tls else (None, True)
    async with (
        ScriptedServer(script, ssl_context=speaking) as server,
        aiohttp.ClientSession() as session,
    ):
        connected = await session.ws_connect(
            server.ws_url, ssl=trusting, **connect_arguments(options)
        )
        socket = ClientWebSocket(connected, options, **FIELDS)
        peer: Peer = await within(arrived)
        peer.patience = DEADLINE
        try:
            yield Ends(socket, peer)
        finally:
            socket.abort("the test is over")
            peer.abort()
            done.set()


SIDES: dict[str, Side] = {"server": server_side, "client": client_side}


BIG = b"x" * (1 << 22)


class blocked:
    """A context: a connection whose peer does not read, and tasks that wait to send more."""

    def __init__(self, side: Side, **settings: Any) -> None:
        self._making = side(**{"heartbeat": None, **settings})
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> tuple[Ends, list[asyncio.Task[None]]]:
        ends = await self._making.__aenter__()
        ends.peer.stop_reading()
        # The first message fills all buffers. Larger ones would only take longer to mask.
        for data in (BIG * 4, BIG, BIG, BIG):
            self._senders.append(asyncio.create_task(ends.socket.send_bytes(data)))
        await settle()
        # On a slow machine the heartbeat may have failed by now.
        assert ends.socket.closed or not any(sender.done() for sender in self._senders)
        return ends, self._senders

    async def __aexit__(self, *error: Any) -> None:
        await self._making.__aexit__(*error)
        await within(asyncio.gather(*self._senders, return_exceptions=True))


async def late_uses(socket: DriverWebSocket) -> list[WebSocketClosed]:
    """Use a WebSocket that has ended in every way; return the errors."""
    errors = []
    for use in (
        lambda: socket.send("text"),
        lambda: socket.send_bytes(b"bytes"),
        socket.receive,
        socket.receive_bytes,
        lambda: socket.pump(lambda _: None),
    ):
        try:
            await within(use())
        except WebSocketClosed as error:
            errors.append(error)
    return errors


async def receive(ends: Ends) -> Any:
    """Receive text at the driver's end."""
    return await ends.socket.receive()


async def receive_bytes(ends: Ends) -> Any:
    """Receive bytes at the driver's end."""
    return await ends.socket.receive_bytes()


async def pump(ends: Ends) -> Any:
    """Read at the driver's end as its own reader does."""
    await ends.socket.pump(lambda _: None)


Reader = Callable[[Ends], Awaitable[Any]]

READERS: list[Reader] = [receive, receive_bytes, pump]
"""The ways to read."""
