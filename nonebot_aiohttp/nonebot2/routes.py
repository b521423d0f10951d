"""The routes that NoneBot's adapters set up, at any time, as endpoints of our transports."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from re import Pattern
from typing import Any

import nonebot.exception
from nonebot.adapters import Adapter
from nonebot.drivers import HTTPServerSetup, WebSocketServerSetup

from ..connections.closing import CLOSED_HERE, INTERNAL_ERROR, NORMAL
from ..connections.open_websockets import OpenWebSockets
from ..connections.websocket import DriverWebSocket
from ..drivers import HTTPRequest, HTTPResponse
from ..life.tasks import TaskSet, start_task
from ..life.waiting import settle
from ..log import redact_path
from ..log.naming import about
from ..log.own import logger
from ..reverse.answers import Unsendable, sendable
from ..reverse.endpoints import Endpoints, Mismatch, Neighbours
from ..reverse.gate import Gate
from ..reverse.headers import keep_headers
from ..reverse.refusals import REFUSED, Refused, RefusedByAdapter, plain
from .models import InboundRequest
from .websocket import NonebotWebSocket, current_websocket

MOST_SHOWN = 3
"""Paths of a kind that a line offers instead of a wrong one."""

_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*)(?::(\w+))?\}")
# Starlette's convertors: adapters write paths in its notation.
_CONVERTORS = {
    "str": "[^/]+",
    "path": ".*",
    "int": "[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}


@dataclass(frozen=True)
class Route:
    """An adapter's setup of an HTTP or WebSocket server.

    Attributes:
        setup: NoneBot's ``HTTPServerSetup`` or ``WebSocketServerSetup``.
        method: The HTTP method, in upper case.
        is_websocket: Whether the setup is a ``WebSocketServerSetup``.
        adapter: The name of the adapter, for the extra fields of records.
    """

    setup: Any
    method: str
    is_websocket: bool
    adapter: str = ""


class RouteTable:
    """Routes by path, in the order in which they were set up: the first one that fits wins.

    Attributes:
        paths: The paths to which platforms send, each with its route.
    """

    def __init__(self) -> None:
        self._number = itertools.count()
        self._plain: dict[str, list[tuple[int, Route]]] = {}
        self._patterns: list[tuple[Pattern[str], tuple[int, Route]]] = []
        self.paths: list[tuple[str, Route]] = []

    def add(self, path: str, route: Route) -> None:
        """Add a route.

        Args:
            path: The path, in which ``{name}`` and ``{name:convertor}`` are parameters. A missing
                leading slash is added; NoneBot's own servers accept such a path, and never find it.

        Raises:
            ValueError: The path has an unknown convertor.
        """
        if not path.startswith("/"):
            text = "The path {!r} of the setup {!r} has no leading slash; it is served as {!r}"
            name, whose = route.setup.name, about(route.adapter)
            logger.warning(text, path, name, "/" + path, **whose)
            path = "/" + path
        if route.is_websocket or route.method != "GET":
            self.paths.append((path, route))
        numbered = next(self._number), route
        if _PARAMETER.search(path):
            self._patterns.append((compile_path(path), numbered))
        else:
            self._plain.setdefault(path, []).append(numbered)

    def at(self, path: str) -> list[Route]:
        """List the routes of a path, or else those of the path without or with a last slash."""
        other = path[:-1] if path.endswith("/") else path + "/"
        return self._exactly_at(path) or self._exactly_at(other)

    def _exactly_at(self, path: str) -> list[Route]:
        found = list(self._plain.get(path, ()))
        found += (numbered for pattern, numbered in self._patterns if pattern.fullmatch(path))
        return [route for _, route in sorted(found, key=itemgetter(0))]


def compile_path(path: str) -> Pattern[str]:
    """Compile a path with parameters into a pattern for whole paths.

    Raises:
        ValueError: The path has an unknown convertor.
    """
    pattern, end = "", 0
    for match in _PARAMETER.finditer(path):
        convertor = match[2] or "str"
        if convertor not in _CONVERTORS:
            raise ValueError(f"The path parameter {match[0]} has an unknown convertor")
        pattern += re.escape(path[end : match.start()]) + f"(?:{_CONVERTORS[convertor]})"
        end = match.end()
    return re.compile(pattern + re.escape(path[end:]))


class RouteEndpoints(Endpoints):
    """Passes requests and WebSockets to the handle functions of the setups."""

    decode_text = True
    # InboundRequest lowercases the names on first use.
    headers = staticmethod(keep_headers)

    def __init__(
        self, gate: Gate, websockets: OpenWebSockets, handlers: TaskSet, websocket_handlers: TaskSet
    ) -> None:
        """Make endpoints without routes.

        Args:
            handlers: The set of HTTP handle functions that are running.
            websocket_handlers: The set of WebSocket handle functions that are running.
        """
        super().__init__(gate)
        self._websockets = websockets
        self._handlers = handlers
        self._websocket_handlers = websocket_handlers
        self._table = RouteTable()

    def add_http(self, setup: HTTPServerSetup) -> None:
        """Add an HTTP route; in a running driver it is reachable at once."""
        self._add(Route(setup, setup.method.upper(), False, adapter_of(setup)))

    def add_websocket(self, setup: WebSocketServerSetup) -> None:
        """Add a WebSocket route; in a running driver it is reachable at once."""
        self._add(Route(setup, "GET", True, adapter_of(setup)))

    def _add(self, route: Route) -> None:
        self._table.add(route.setup.path.path, route)
        self.webhooks.clear()

    def _look_up(self, path: str, method: str, upgrade: bool) -> Route | Mismatch | None:
        routes = self._table.at(path)
        if not routes:
            return None
        fitting = [route for route in routes if route.method == method]
        for route in fitting:
            if route.is_websocket == upgrade:
                return route
        if fitting:
            return fitting[0]
        return Mismatch(routes[0], frozenset(route.method for route in routes), path)

    def neighbours(self, path: str) -> Neighbours | None:
        """Find the routes that begin with a part of a wrong path."""
        for part in filter(None, path.split("/")):
            near = [each for each in self._table.paths if each[0].split("/")[1] == part]
            if near:
                webhooks = _few(path for path, route in near if not route.is_websocket)
                websockets = _few(path for path, route in near if route.is_websocket)
                return Neighbours(redact_path(part), webhooks, websockets, near[0][1].adapter)
        return None

    def is_served(self, target: Any) -> bool:
        """Return True, because every route has a handle function."""
        return True

    def name_of(self, target: Route) -> str:
        """Return the name of the setup."""
        name: str = target.setup.name
        return name

    def path_of(self, target: Route) -> str:
        """Return the path of the setup; see ``Endpoints.path_of``."""
        path: str = target.setup.path.path
        return "/" + path.removeprefix("/")

    def adapter_of(self, target: Route) -> str:
        """Return the name of the adapter."""
        return target.adapter

    async def http(self, target: Route, request: HTTPRequest, source: Any = None) -> HTTPResponse:
        """Pass a request to its handle function; see ``Endpoints.http``."""
        try:
            self.admit(target, request)
        except Refused as refused:
            return self.refuse(target, refused, source)
        name = self.name_of(target)
        self.gate.enter()
        task = self._handlers.track_current(target.adapter, name)
        try:
            response = await target.setup.handle_func(InboundRequest(request))
            answer = sendable(response.status_code, response.content, response.headers)
            if answer.status >= 400:
                self.refuse(target, RefusedByAdapter(answer), source)
            else:
                self.count(target, answer.status)
            return answer
        except Unsendable as error:
            text = f"{name} has made a response that cannot be sent: {error}"
            self.gate.warn(text, target.adapter, source)
        except Exception as error:
            self._handlers.log_failed(failed(name), error, target.adapter)
        finally:
            self.gate.leave()
            self._handlers.untrack(task)
        self.count(target, 500)
        return plain(500, "Internal Server Error")

    async def websocket(
        self, target: Route, websocket: DriverWebSocket, source: Any = None
    ) -> HTTPResponse | None:
        """Pass a WebSocket to its handle function; see ``Endpoints.websocket``."""
        try:
            self.admit(target, websocket)
        except Refused as refused:
            return self.refuse(target, refused, source)
        self._websockets.add(websocket)
        try:
            answer = await self._handle(target, websocket)
        finally:
            self._websockets.remove(websocket)
        if answer is not None and answer.status < 500 and not websocket.has_left:
            self.refuse(target, RefusedByAdapter(answer, _reason_of(websocket)), source)
        return answer

    async def _handle(self, target: Route, websocket: DriverWebSocket) -> HTTPResponse | None:
        """Run a handle function until it ends, or until it refuses, after which it may go on."""
        answer: asyncio.Future[HTTPResponse | None] = asyncio.get_running_loop().create_future()
        refuse = partial(_resolve, answer, HTTPResponse(403))
        request = InboundRequest(websocket)
        nonebot_websocket = NonebotWebSocket(request, websocket, on_refused=refuse)
        task = start_task(self._run(target, nonebot_websocket, websocket))
        self._websocket_handlers.add(task, target.adapter, label=target.setup.name)
        task.add_done_callback(partial(_answer_with_result, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            await settle(task, target.setup.name, about=about(target.adapter))
            raise

    async def _run(
        self, target: Route, nonebot_websocket: NonebotWebSocket, websocket: DriverWebSocket
    ) -> HTTPResponse | None:
        """Run a handle function, and close the WebSocket if it has left it open."""
        status, code = 403, NORMAL
        # This task is the WebSocket's own.
        current_websocket.set(websocket)
        try:
            await target.setup.handle_func(nonebot_websocket)
        except nonebot.exception.WebSocketClosed:
            pass
        except Exception as error:
            text = failed(target.setup.name)
            self._websocket_handlers.log_failed(text, error, target.adapter)
            status, code = 500, INTERNAL_ERROR
        if not websocket.accepted:
            return HTTPResponse(status)
        await websocket.end(code)
        return None


def adapter_of(setup: Any) -> str:
    """Return the name of the adapter that has made a setup.

    A setup has a name of its own, such as ``"OneBot V11 Root HTTP"``, but its function is a method
    of the adapter, as a rule.
    """
    function = setup.handle_func
    while isinstance(function, partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    return str(owner.get_name() if isinstance(owner, Adapter) else setup.name)


def _few(paths: Iterable[str]) -> list[str]:
    """Choose the paths that a line offers, as the log may show them."""
    return list(dict.fromkeys(map(redact_path, paths)))[:MOST_SHOWN]


def failed(name: str) -> str:
    """Return the log's text for a handle function that has failed, by the name of its setup."""
    return f"The handle function of {name} failed"


def _reason_of(websocket: DriverWebSocket) -> str:
    """Read why an adapter has closed a WebSocket that it has not accepted."""
    reason = websocket.closed_error().reason if websocket.closed else ""
    return reason if reason not in ("", CLOSED_HERE) else REFUSED


def _answer_with_result(
    answer: asyncio.Future[HTTPResponse | None], task: asyncio.Task[HTTPResponse | None]
) -> None:
    """Make a task's result the answer, unless there is one."""
    if task.cancelled() or task.exception() is not None:
        answer.cancel()
    else:
        _resolve(answer, task.result())


def _resolve(answer: asyncio.Future[HTTPResponse | None], value: HTTPResponse | None) -> None:
    if not answer.done():
        answer.set_result(value)
