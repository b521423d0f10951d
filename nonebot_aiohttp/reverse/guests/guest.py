"""``Guest``: an ASGI application that aiohttp serves behind the endpoints' own paths.

The counterpart of ``reverse.asgi_transport``, where an ASGI server serves the endpoints.
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
from ...drivers import HTTPResponse
from ...life.deadline import Deadline
from ...life.tasks import TaskSet
from ..endpoints import is_target
from ..gate import Gate
from ..refusals import Refused
from .http import HttpExchange, make_scope
from .lifespan import GuestLifespan
from .websocket import WebSocketExchange

if TYPE_CHECKING:
    from ..asgi_transport import Application, Scope

LOOK_PAUSE = 0.2
"""Seconds between looks at which clients have left: aiohttp 3 does not tell handlers."""

CLIENT_CLOSED = 499
"""Status in the access log for a client that has left, as in nginx; it is never received."""


class Exchange(Protocol):
    """One request of a client that may leave before it is answered."""

    over: asyncio.Event

    @property
    def has_left(self) -> bool:
        """Whether the client has left."""

    def leave(self) -> None:
        """End the exchange, because the client takes no answer any more."""


class Clients:
    """Looks, while requests are open, which clients have left."""

    def __init__(self) -> None:
        self._open: set[Exchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """Begin to watch the client of a request."""
        self._open.add(exchange)
        if self._timer is None:
            self._wait()

    def remove(self, exchange: Exchange) -> None:
        """Stop watching the client of a request."""
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
    """Event streams and WebSockets, which only the stop ends."""

    def __init__(self, websockets: OpenWebSockets) -> None:
        self._websockets = websockets
        self._open: set[HttpExchange] = set()

    def add(self, exchange: HttpExchange) -> None:
        """Track an event stream."""
        self._open.add(exchange)

    def remove(self, exchange: HttpExchange) -> None:
        """Track an exchange no more, whether or not it is an event stream."""
        self._open.discard(exchange)

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """End all; see ``lifespan.OpenConnections``."""
        for each in tuple(self._open):
            each.leave()
        await self._websockets.close_all(code, reason, deadline)


@dataclass(frozen=True)
class Kept:
    """Where a driver keeps what it has to end at its stop.

    Attributes:
        requests: The tasks of HTTP requests; the stop waits for them.
        websocket_tasks: The tasks that end only because of the stop.
    """

    requests: TaskSet
    websocket_tasks: TaskSet
    websockets: OpenWebSockets
    streams: Streams


class Guest:
    """Serves an ASGI application while the driver runs.

    Attributes:
        name: What the log calls it.
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
        """Serve nothing yet.

        Args:
            name: What the log calls it.
            has_route: Tells whether the application has a route for just that path and method.
            ends: What the application's framework raises where a client has left.
            silence: Seconds that a part of a body may be waited for; None means no limit.
        """
        self.app = app
        self.name = name
        self.lifespan = GuestLifespan(app, name)
        self._has_route = has_route
        self._ends = ends
        self._gate = gate
        self._requests, self._websocket_tasks = kept.requests, kept.websocket_tasks
        self._websockets, self._streams = kept.websockets, kept.streams
        self._silence = silence
        self._clients = Clients()

    def is_for(
        self, found: Any, upgrade: bool, scope: Callable[[], Scope], *, takes_rest: bool = True
    ) -> bool:
        """Tell whether a request is for the application rather than for the endpoints.

        The endpoints come first where the request is just what a path of theirs is for. On such a
        path the application has what it has a route for, such as a page by GET beside a webhook.

        Args:
            found: What ``Endpoints.find`` has returned.
            upgrade: Whether the request asks for a WebSocket.
            scope: Makes the scope.
            takes_rest: Whether unknown paths are the application's, to say that they are.
        """
        if found is None and takes_rest:
            return True
        is_exact = is_target(found) and found.is_websocket == upgrade
        return not is_exact and self._has_route(scope())

    def refusal(self, source: Any) -> HTTPResponse | None:
        """Refuse while the driver does not run; None while it runs.

        Args:
            source: See ``address_of``.
        """
        try:
            self._gate.check_running()
        except Refused as refused:
            return self._gate.refuse(f"a request of {self.name}", refused, source)
        return None

    def scope_of(self, request: web.Request, upgrade: bool, root_path: str) -> Scope:
        """Make the scope of a request; see ``make_scope``."""
        return self.with_state(make_scope(request, "websocket" if upgrade else "http", root_path))

    def with_state(self, scope: Scope) -> Scope:
        """Add what the application's lifespan has left for its requests."""
        return {**scope, "state": {**(scope.get("state") or {}), **self.lifespan.state}}

    async def http(self, request: web.Request, root_path: str) -> web.StreamResponse:
        """Answer an HTTP request; the application may go on when the answer is complete."""
        exchange = HttpExchange(request, self._become_stream, self._silence)
        scope = self.scope_of(request, False, root_path)
        exchange.task = asyncio.ensure_future(self._run_http(scope, exchange))
        try:
            await self._until_over(exchange, exchange.task, self._requests)
        finally:
            self._streams.remove(exchange)
        if exchange.answer.response is not None:
            return exchange.answer.response
        return web.Response(status=CLIENT_CLOSED) if exchange.answer.lost else _failed()

    async def _until_over(
        self, exchange: Exchange, task: asyncio.Task[None], tasks: TaskSet
    ) -> None:
        tasks.add(task, "", label=self.name)
        # Also when the task is cancelled before it has begun.
        task.add_done_callback(lambda _: exchange.over.set())
        self._clients.add(exchange)
        try:
            await exchange.over.wait()
        except asyncio.CancelledError:
            # The application is told, and the stop waits for its task as for all others.
            exchange.leave()
            raise
        finally:
            self._clients.remove(exchange)

    def _become_stream(self, exchange: HttpExchange) -> None:
        """Have the stop end a request whose answer has no end of its own."""
        assert exchange.task is not None
        self._streams.add(exchange)
        self._requests.hand_over(exchange.task, self._websocket_tasks)

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
        self, request: web.Request, websocket: ServerWebSocket, root_path: str
    ) -> web.StreamResponse:
        """Serve a WebSocket from the handshake to its end."""
        exchange = WebSocketExchange(request, websocket)
        scope = self.scope_of(request, True, root_path)
        task = asyncio.ensure_future(self._run_websocket(scope, exchange))
        self._websockets.add(websocket)
        try:
            await self._until_over(exchange, task, self._websocket_tasks)
        finally:
            self._websockets.remove(websocket)
        response = exchange.response()
        return _failed() if response is None else response

    async def _run_websocket(self, scope: Scope, exchange: WebSocketExchange) -> None:
        code = INTERNAL_ERROR
        try:
            await self.app(scope, exchange.receive, exchange.send)
            code = NORMAL
        except Exception as error:
            if not (exchange.websocket.gone and isinstance(error, (*self._ends, ConnectionError))):
                text = f"A WebSocket of {self.name} failed"
                self._websocket_tasks.failures.log(text, error)
        finally:
            await exchange.finish(code)


def _failed() -> web.Response:
    return web.Response(status=500, text="Internal Server Error")
