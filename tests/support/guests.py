"""A driver with an ASGI application behind its own paths, assembled as the NoneBot2 driver."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocketDisconnect

from nonebot_aiohttp.connections.open_websockets import OpenWebSockets
from nonebot_aiohttp.connections.sessions import SessionPool
from nonebot_aiohttp.connections.unsent import UnsentWatch
from nonebot_aiohttp.connections.websocket import DriverWebSocket
from nonebot_aiohttp.drivers import HTTPRequest, HTTPResponse
from nonebot_aiohttp.hosts.host import Host as DriversHost
from nonebot_aiohttp.hosts.listening import Listening
from nonebot_aiohttp.life.lifespan import Lifespan, NoLoops
from nonebot_aiohttp.life.tasks import TaskSet
from nonebot_aiohttp.operations.listener import OperatorsListener
from nonebot_aiohttp.options import DriverOptions
from nonebot_aiohttp.reverse.endpoints import Endpoints, Mismatch
from nonebot_aiohttp.reverse.gate import Gate
from nonebot_aiohttp.reverse.guests.guest import Guest, Kept, Streams
from nonebot_aiohttp.reverse.headers import join_headers
from tests.support.client import RawClient
from tests.support.hosts import HOSTS, Host
from tests.support.waiting import within

NAME = "the guest"


class OwnPaths(Endpoints):
    """The bot's own paths: a webhook at ``/own`` and a WebSocket at ``/own/ws``."""

    headers = staticmethod(join_headers)

    def _look_up(self, path: str, method: str, upgrade: bool) -> Any:
        wanted = {"/own": (False, "POST"), "/own/ws": (True, "GET")}.get(path)
        if wanted is None:
            return None
        target = SimpleNamespace(is_websocket=wanted[0])
        return target if method == wanted[1] else Mismatch(target, frozenset({wanted[1]}))

    def is_served(self, target: Any) -> bool:
        """Always tell that the path is served."""
        return True

    def name_of(self, target: Any) -> str:
        """Give both paths the same name."""
        return "the bot"

    def path_of(self, target: Any) -> str:
        """Return the path of the webhook or of the WebSocket."""
        return "/own/ws" if target.is_websocket else "/own"

    def adapter_of(self, target: Any) -> str:
        """Give both paths the same adapter."""
        return "own"

    async def http(self, target: Any, request: HTTPRequest, source: Any = None) -> HTTPResponse:
        """Answer."""
        return HTTPResponse(200, b"the bot's own")

    async def websocket(
        self, target: Any, socket: DriverWebSocket, source: Any = None
    ) -> HTTPResponse | None:
        """Accept and close."""
        await socket.accept()
        await socket.end(1000, "the bot's own")
        return None


class GuestDriver:
    """The parts of a driver that the hosts need."""

    def __init__(self, app: Any, has_route: Callable[[Any], bool], **settings: Any) -> None:
        options = DriverOptions.parse(settings)
        self.requests, self.socket_tasks = TaskSet("HTTP handler"), TaskSet("WebSocket handler")
        websockets = OpenWebSockets()
        streams, watch = Streams(websockets), UnsentWatch(options)
        watch.add_websockets(websockets)
        self.lifespan = Lifespan(
            pool=SessionPool(options),
            loops=NoLoops(),
            connections=streams,
            work=self.requests,
            hooks=self.socket_tasks,
            watches=(watch,),
            drain_timeout=options.drain_timeout,
            close_timeout=options.close_timeout,
        )
        gate = Gate(options, self.lifespan)
        guest = Guest(
            app,
            NAME,
            has_route=has_route,
            ends=(ClientDisconnect, WebSocketDisconnect),
            gate=gate,
            kept=Kept(self.requests, self.socket_tasks, websockets, streams),
            silence=options.body_timeout,
        )
        self.lifespan.on_startup(guest.lifespan.start)
        self.lifespan.on_shutdown(guest.lifespan.stop)
        self._host = DriversHost(
            OwnPaths(gate),
            self.lifespan,
            options,
            None,
            listener=OperatorsListener(options, web.Application),
            guest=guest,
            fastapi_hint="ask for it",
        )
        watch.add_connections(self._host.transports)
        self.asgi = self._host.asgi
        self.attach, self.exit = self._host.attach, self._host.exit

    async def serve(self, *where: Any, started: Any = None, **more: Any) -> None:
        """Serve in this process."""
        await self._host.serve(Listening(*where, **more), started)

    @property
    def server_app(self) -> Any:
        """The driver's aiohttp application."""
        return self._host.server_app


def everywhere(_: Any) -> bool:
    """Claim every route; it is passed as ``has_route``."""
    return True


@asynccontextmanager
async def serving_guest(
    app: Any,
    host: str = "own_process",
    has_route: Callable[[Any], bool] = everywhere,
    **settings: Any,
) -> AsyncIterator[tuple[Host, GuestDriver]]:
    """Serve an ASGI application behind a driver's own paths; give the host and the driver."""
    driver = GuestDriver(app, has_route, **settings)
    serve: Any = HOSTS[host]
    async with serve(driver) as serving:
        yield serving, driver


def without_lifespan(app: Any) -> Any:
    """Make an application that knows nothing of lifespans."""

    async def called(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)

    return called


async def take_upload(request: Request) -> Response:
    """Digest a body as it comes."""
    digest, size = hashlib.sha256(), 0
    async for chunk in request.stream():
        digest.update(chunk)
        size += len(chunk)
    return JSONResponse([size, digest.hexdigest()])


async def read_until(client: RawClient, end: bytes) -> bytes:
    """Read up to some bytes."""
    return await within(client.reader.readuntil(end))
