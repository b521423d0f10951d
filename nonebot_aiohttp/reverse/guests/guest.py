"""``Guest``: an ASGI application that aiohttp serves behind the endpoints' own paths.

The counterpart of ``reverse.asgi``, where the endpoints are the guests of an ASGI server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from ...connections.aiohttp_websocket import ServerWebSocket
from ...connections.closing import INTERNAL_ERROR, NORMAL
from ...connections.open_websockets import OpenWebSockets
from ...life.deadline import Deadline
from ...life.tasks import TaskSet
from ..gate import Gate
from .http import HttpExchange, make_scope
from .lifespan import GuestLifespan
from .websocket import SocketExchange

if TYPE_CHECKING:
    from ..asgi_transport import Application, Scope

LOOK_PAUSE = 0.2
"""Seconds between looks at who has left: aiohttp 3 tells no handler of it."""

CLIENT_CLOSED = 499
"""What the access log shows of a client that has left, as nginx has it; nobody gets it."""


class Exchange(Protocol):
    """One request, as far as it has to be looked after."""

    over: asyncio.Event

    @property
    def has_left(self) -> bool:
        """Whether the client has gone."""

    def leave(self) -> None:
        """End the exchange, for nobody takes an answer any more."""


class Clients:
    """Looks, while requests are open, whose client has left."""

    def __init__(self) -> None:
        """Begin without requests."""
        self._open: set[Exchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """Look after a request."""
        self._open.add(exchange)
        if self._timer is None:
            self._wait()

    def remove(self, exchange: Exchange) -> None:
        """Look after a request no more."""
        self._open.discard(exchange)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_PAUSE, self._look)

    def _look(self) -> None:
        for each in tuple(self._open):
            if each.has_left:
                each.leave()
        self._wait()


class Streams:
    """Event streams and WebSockets, which end by the stop only."""

    def __init__(self, sockets: OpenWebSockets) -> None:
        """Take the WebSockets."""
        self._sockets = sockets
        self._open: set[HttpExchange] = set()

    def add(self, exchange: HttpExchange) -> None:
        """Take an event stream in."""
        self._open.add(exchange)

    def remove(self, exchange: HttpExchange) -> None:
        """Let go of what is no event stream any more, or never was."""
        self._open.discard(exchange)

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """End all; see ``lifespan.Sockets``."""
        for each in tuple(self._open):
            each.leave()
        await self._sockets.close_all(code, reason, deadline)


@dataclass(frozen=True)
class Kept:
    """Where a driver keeps what runs, for its stop.

    Attributes:
        requests: HTTP requests; the stop waits for them.
        socket_tasks: What ends by the stop.
        sockets: The open WebSockets.
        streams: The event streams.
    """

    requests: TaskSet
    socket_tasks: TaskSet
    sockets: OpenWebSockets
    streams: Streams


class Guest:
    """Serves an ASGI application, for as long as the driver runs.

    Attributes:
        app: The application.
        name: What it is, for the log.
        lifespan: Its lifespan.
        has_route: Tells of a scope whether the application has a route for just that.
    """

    def __init__(
        self,
        app: Application,
        name: str,
        *,
        has_route: Callable[[Scope], bool],
        ends: tuple[type[Exception], ...],
        gate: Gate,
        kept: Kept,
        silence: float | None = None,
    ) -> None:
        """Take an application.

        Args:
            app: The application.
            name: What it is, for the log.
            has_route: Tells of a scope whether the application has a route for just that.
            ends: What its framework raises where a client has left.
            gate: Knows whether the driver runs.
            kept: Where what runs is kept.
            silence: Seconds that a part of a body may be waited for; None is no limit.
        """
        self._silence = silence
        self.app = app
        self.name = name
        self.has_route = has_route
        self.lifespan = GuestLifespan(app, name)
        self._ends = ends
        self._gate = gate
        self._requests, self._socket_tasks = kept.requests, kept.socket_tasks
        self._sockets, self._streams = kept.sockets, kept.streams
        self._clients = Clients()

    def refusal(self) -> Any:
        """Refuse while the driver does not run.

        Returns:
            The response that says why; None while it runs.
        """
        if self._gate.lifespan.running:
            return None
        return self._gate.refuse(self.name, self._gate.not_running())

    async def http(self, request: web.Request, root_path: str) -> web.StreamResponse:
        """Answer an HTTP request, and let the application go on when the answer is complete.

        Args:
            request: The request.
            root_path: The path below which the application is served, decoded.

        Returns:
            The response.
        """
        exchange = HttpExchange(request, self._become_stream, self._silence)
        scope = self.with_state(make_scope(request, "http", root_path))
        exchange.task = asyncio.ensure_future(self._run_http(scope, exchange))
        try:
            await self._until_over(exchange, exchange.task, self._requests)
        finally:
            self._streams.remove(exchange)
        if exchange.answer.response is not None:
            return exchange.answer.response
        return web.Response(status=CLIENT_CLOSED) if exchange.answer.lost else _failed()

    def with_state(self, scope: Scope) -> Scope:
        """Give a scope what the application's lifespan has left for its requests."""
        return {**scope, "state": {**(scope.get("state") or {}), **self.lifespan.state}}

    async def _until_over(
        self, exchange: Exchange, task: asyncio.Task[None], tasks: TaskSet
    ) -> None:
        tasks.add(task, self.name)
        # Even if it is cancelled before it has begun.
        task.add_done_callback(lambda _: exchange.over.set())
        self._clients.add(exchange)
        try:
            await exchange.over.wait()
        except asyncio.CancelledError:
            # The application hears of it, and is waited for where all tasks are.
            exchange.leave()
            raise
        finally:
            self._clients.remove(exchange)

    def _become_stream(self, exchange: HttpExchange) -> None:
        """Have the stop end a request that it would wait for in vain."""
        assert exchange.task is not None
        self._streams.add(exchange)
        self._requests.hand_over(exchange.task, self._socket_tasks)

    async def _run_http(self, scope: Scope, exchange: HttpExchange) -> None:
        answer = exchange.answer
        try:
            await self.app(scope, exchange.receive, exchange.send)
            if not answer.complete and not answer.lost:
                raise RuntimeError("The application has ended without the whole of a response")
        except Exception as error:
            if not (answer.lost and isinstance(error, self._ends)):
                self._requests.failures.log(f"A request of {self.name} failed", error)
        finally:
            if answer.response is not None and not answer.complete and not answer.lost:
                answer.cut()

    async def websocket(
        self, request: web.Request, socket: ServerWebSocket, root_path: str
    ) -> web.StreamResponse:
        """Serve a WebSocket from the handshake to its end.

        Args:
            request: The handshake.
            socket: The connection, not accepted yet.
            root_path: See ``http``.

        Returns:
            The response.
        """
        exchange = SocketExchange(request, socket)
        scope = self.with_state(make_scope(request, "websocket", root_path))
        task = asyncio.ensure_future(self._run_socket(scope, exchange))
        self._sockets.add(socket)
        try:
            await self._until_over(exchange, task, self._socket_tasks)
        finally:
            self._sockets.remove(socket)
        response = exchange.response()
        return _failed() if response is None else response

    async def _run_socket(self, scope: Scope, exchange: SocketExchange) -> None:
        code = INTERNAL_ERROR
        try:
            await self.app(scope, exchange.receive, exchange.send)
            code = NORMAL
        except Exception as error:
            if not (exchange.socket.gone and isinstance(error, (*self._ends, ConnectionError))):
                text = f"A WebSocket of {self.name} failed"
                self._socket_tasks.failures.log(text, error)
        finally:
            await exchange.finish(code)


def _failed() -> web.Response:
    return web.Response(status=500, text="Internal Server Error")
