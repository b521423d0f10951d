"""The platform's own server, behind its door: it answers requests and accepts WebSockets."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..common.journal import Journal
from ..common.timeline import PLATFORM, timeline
from ..wire.background import Background
from ..wire.door import Door
from ..wire.faults import (
    WHEN_OPEN,
    Cut,
    Fault,
    Oversize,
    Place,
    Redirect,
    Slow,
    Status,
    check,
)
from ..wire.links import Link
from . import striking
from .matching import Path, Where
from .messages import AutomaticReplies
from .problems import Problems
from .replies import Json, Replies, Reply, Step, make_reply
from .routes import Route
from .seen import Call, read
from .websockets import Connection, keep

_LARGEST = 1 << 30
"""Bytes of the largest body that a bot may send."""


class WebSocketRoute:
    """The bot's WebSockets at a path; `Platform.websocket` makes it.

    Attributes:
        compressed: Whether messages are compressed if the bot offers that.
        protocols: Subprotocols, the most preferred first.
    """

    def __init__(
        self,
        path: Path,
        greet: Callable[[Connection], Awaitable[None]] | None,
        host: str | None,
        protocols: tuple[str, ...],
        compressed: bool,
    ) -> None:
        """Accept what these describe; `Platform.websocket` has their meaning."""
        self.greet = greet
        self.protocols = protocols
        self.compressed = compressed
        self.automatic: list[AutomaticReplies] = []
        self._path = path
        self._host = host
        self._handshakes = Replies()

    def refuse(
        self,
        status: int = 401,
        *,
        json: Json = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        times: int | None = 1,
    ) -> WebSocketRoute:
        """Refuse the next handshake with a status; what `refuse` and `fail` say comes in turn.

        Args:
            status: The status of the answer.
            json: The body of the answer as JSON.
            body: The body of the answer as bytes.
            headers: The headers of the answer.
            times: How many are refused, and have to be; None is all from then on.
        """
        self._handshakes.add(
            make_reply(json=json, body=body, status=status, headers=headers), times
        )
        return self

    def accept(self, times: int = 1) -> WebSocketRoute:
        """Accept the next handshakes, before what `refuse` and `fail` say after this."""
        self._handshakes.add(None, times)
        return self

    def fail(self, fault: Fault, times: int | None = 1) -> WebSocketRoute:
        """Let a fault strike the next handshake.

        Args:
            fault: `Close`, `Silent` and `Oversize` strike the WebSocket as soon as it is open, the
                others strike in the place of the answer to the handshake.
            times: How many are struck, and have to be; None is all from then on.

        Raises:
            TypeError: The fault does not strike a handshake.
        """
        check(fault, Place.HANDSHAKE)
        self._handshakes.add(None, times, fault)
        return self

    def on(self, where: Where) -> AutomaticReplies:
        """Answer messages of one kind on each of the connections; see `Connection.on`."""
        automatic = AutomaticReplies(where)
        self.automatic.append(automatic)
        return automatic

    def fits(self, call: Call) -> bool:
        """Tell whether a handshake is of here."""
        return self._host in (None, call.host) and self._path.match(call.path) is not None

    def next(self) -> Step:
        """Return what is done about the next handshake."""
        return self._handshakes.next() or Step(None, None)

    @property
    def problem(self) -> str | None:
        """What is wrong with this route at the end of a test."""
        found = self._handshakes.problem("refusals or faults")
        return f"the WebSocket {self._path}: {found}" if found else None


class Server:
    """An aiohttp server on a port of its own, which only the platform's door leads to.

    Attributes:
        routes: The routes, the most recent first.
        websockets: The routes of WebSockets, the most recent first.
    """

    def __init__(
        self,
        background: Background,
        door: Door,
        problems: Problems,
        calls: Journal[Call],
        connections: Journal[Connection],
    ) -> None:
        """Write down what comes."""
        self.routes: list[Route] = []
        self.websockets: list[WebSocketRoute] = []
        self._background = background
        self._door = door
        self._problems = problems
        self._calls = calls
        self._connections = connections
        self._runner: web.AppRunner | None = None

    async def open(self) -> int:
        """Listen, and return the port."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def close(self) -> None:
        """Listen no longer."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        link = self._door.link_from(request.transport.get_extra_info("peername")[1])
        call = await read(request, link.number)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            timeline.note(PLATFORM, f"< {call} (WebSocket)")
            self._calls.append(call)
            return await self._shake_hands(request, call, link)
        timeline.note(PLATFORM, f"< {call}")
        route, call = self._find(call)
        if route is not None:
            route.calls.append(call)
        self._calls.append(call)
        refused = self._door.fault_of(link, Status, Redirect)
        if refused is not None:
            return await striking.answer(request, Reply(), refused, link)
        step = None if route is None else route.next(call)
        if step is None:
            return self._complain(call, route)
        fault = self._door.fault_of(link, Oversize) or step.fault
        made = await self._make(step, call)
        if isinstance(made, Fault):
            return await striking.answer(request, Reply(), made, link)
        return await striking.answer(request, made, fault, link)

    def _find(self, call: Call) -> tuple[Route | None, Call]:
        for route in self.routes:
            taken = route.take(call)
            if taken is not None:
                return route, taken
        return None, call

    def _complain(self, call: Call, route: Route | None) -> web.Response:
        why = "no route is for it" if route is None else route.exhausted
        hint = f"platform.on({call.method!r}, {call.path!r}).reply(...)"
        if "websocket" in call.headers.get("upgrade", "").lower():
            hint = f"platform.websocket({call.path!r})"
        self._problems.unexpected(f"unexpected: {call} ({why}: {hint})")
        return web.Response(status=501, text=f"{call.method} {call.path}: {why}")

    async def _make(self, step: Step, call: Call) -> Reply | Fault:
        """Make an answer; an error of the test's own function fails the test."""
        try:
            made = await step.make(call)
            if isinstance(made, Fault):
                check(made, Place.ANSWER)
                return made
            if isinstance(made, Reply):
                return made
            return Reply(json.dumps(made).encode(), 200, {"Content-Type": "application/json"})
        except Exception as error:
            self._problems.failed(f"the function that answers {call}", error)
            return Reply(repr(error).encode(), 500)

    async def _shake_hands(
        self, request: web.Request, call: Call, link: Link
    ) -> web.StreamResponse:
        refused = self._door.fault_of(link, Status, Redirect)
        if refused is not None:
            return await striking.answer(request, Reply(), refused, link)
        route = next((route for route in self.websockets if route.fits(call)), None)
        if route is None and self.websockets:
            return self._complain(call, None)
        fault = self._door.fault_of(link, *WHEN_OPEN)
        if route is None:
            return await self._accept(request, call, link, None, fault)
        step = route.next()
        if step.content is not None:
            return await striking.answer(request, step.content, None, link)
        if step.fault is None or isinstance(step.fault, WHEN_OPEN):
            return await self._accept(request, call, link, route, fault or step.fault)
        if isinstance(step.fault, Slow | Cut):
            timeline.note(PLATFORM, f"{step.fault}")
            await link.strike(step.fault)
            return await self._accept(request, call, link, route, fault)
        return await striking.answer(request, Reply(), step.fault, link)

    async def _accept(
        self,
        request: web.Request,
        call: Call,
        link: Link,
        route: WebSocketRoute | None,
        fault: Fault | None,
    ) -> web.StreamResponse:
        ws = web.WebSocketResponse(
            autoping=False,
            autoclose=False,
            max_msg_size=0,
            compress=route is not None and route.compressed,
            protocols=() if route is None else _preferred(route.protocols, call),
        )
        link.passed.clear()
        await ws.prepare(request)
        # Frames go to the bot without this server, and must not overtake its answer.
        await link.passed.wait()
        connection = Connection(self._background, call, ws, link, self._problems)
        timeline.note(PLATFORM, f"{connection} is open")
        if route is not None:
            connection.answer_as(route.automatic)
        await keep(connection, lambda: self._greet(connection, route, fault))
        return ws

    async def _greet(
        self, connection: Connection, route: WebSocketRoute | None, fault: Fault | None
    ) -> None:
        """Begin a connection: with a fault, or with the route's own greeting."""
        if fault is not None:
            with contextlib.suppress(ConnectionError):
                await connection.fail(fault)
        elif route is not None and route.greet is not None:
            try:
                await route.greet(connection)
            except Exception as error:
                # A bot that leaves during the greeting is what some tests are about.
                if connection.is_open:
                    self._problems.failed(f"the greeting of {connection}", error)
        self._connections.append(connection)


def _preferred(protocols: tuple[str, ...], call: Call) -> list[str]:
    """Return the subprotocol to agree on; aiohttp would take the one that the bot prefers."""
    offered = [each.strip() for each in call.headers.get("sec-websocket-protocol", "").split(",")]
    return [protocol for protocol in protocols if protocol in offered][:1]
