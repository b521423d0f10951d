"""The platform's own server, behind its door: it answers requests and accepts WebSockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from .background import Background
from .door import ON_ANSWERS, ON_WEBSOCKETS, Door
from .faults import Cut, Fault, Garbage, HalfOpen, Hang, Oversize, Redirect, Reset, Slow, Status
from .journal import Journal
from .links import Link
from .matching import Path, Where
from .replies import Replies, Reply, Step
from .routes import Route
from .seen import Call, read
from .timeline import PLATFORM, timeline
from .websockets import AutomaticReplies, Connection, keep

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
        self._refusals = Replies()

    def refuse(
        self, status: int = 401, *, times: int | None = 1, body: bytes = b""
    ) -> WebSocketRoute:
        """Refuse handshakes with a status.

        Args:
            status: The status of the answer.
            times: How many are refused; None is all.
            body: The body of the answer.
        """
        self._refusals.add(Reply(body, status), times)
        return self

    def on(self, where: Where) -> AutomaticReplies:
        """Answer messages of one kind on each of the connections; see `Connection.on`."""
        automatic = AutomaticReplies(where)
        self.automatic.append(automatic)
        return automatic

    def fits(self, call: Call) -> bool:
        """Tell whether a handshake is of here."""
        return self._host in (None, call.host) and self._path.match(call.path) is not None

    def refusal(self) -> Reply | None:
        """Return the answer to the next handshake if that is refused."""
        step = self._refusals.next()
        return None if step is None else step.content


class Server:
    """An aiohttp server on a port of its own, which only the platform's door leads to.

    Attributes:
        routes: The routes, the most recent first.
        websockets: The routes of WebSockets, the most recent first.
        complaints: What nobody has expected, for the end of the test.
    """

    def __init__(
        self, background: Background, calls: Journal[Call], connections: Journal[Connection]
    ) -> None:
        """Write down what comes."""
        self.port = 0
        self.routes: list[Route] = []
        self.websockets: list[WebSocketRoute] = []
        self.complaints: list[str] = []
        self._background = background
        self._calls = calls
        self._connections = connections
        self._doors: tuple[Door, ...] = ()
        self._runner: web.AppRunner | None = None

    async def open(self, *doors: Door | None) -> None:
        """Listen, for connections from doors."""
        self._doors = tuple(door for door in doors if door is not None)
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Listen no longer."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        door, link = next(
            (door, door.link_from(port)) for door in self._doors if door.has_link_from(port)
        )
        call = await read(request, link.number)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._accept(request, call, door, link)
        fault = door.fault_of(link, *ON_ANSWERS)
        route, call = self._find(call)
        step = None if route is None else route.next(call)
        timeline.note(PLATFORM, f"< {call}")
        self._calls.append(call)
        if fault is not None:
            return await self._answer(Reply(), fault, link)
        if step is None:
            return self._complain(call, route)
        made = await self._make(step, call)
        if isinstance(made, Fault):
            return await self._answer(Reply(), made, link)
        return await self._answer(made, step.fault, link)

    def _find(self, call: Call) -> tuple[Route | None, Call]:
        for route in self.routes:
            taken = route.take(call)
            if taken is not None:
                return route, taken
        return None, call

    def _complain(self, call: Call, route: Route | None) -> web.Response:
        why = "no route is for it" if route is None else "all replies of its route were used"
        self.complaints.append(f"unexpected: {call} ({why}: platform.on({call.method!r}, ...))")
        timeline.note(PLATFORM, f"501: {why}")
        return web.Response(status=501, text=f"{call.method} {call.path}: {why}")

    async def _make(self, step: Step, call: Call) -> Reply | Fault:
        """Make an answer; an error of the test's own function is a complaint."""
        try:
            made = await step.make(call)
        except Exception as error:
            self.complaints.append(f"the function that answers {call} has failed: {error!r}")
            return Reply(repr(error).encode(), 500)
        if isinstance(made, Reply | Fault):
            return made
        return Reply(json.dumps(made).encode(), 200, {"Content-Type": "application/json"})

    async def _answer(self, reply: Reply, fault: Fault | None, link: Link) -> web.StreamResponse:
        if fault is not None:
            timeline.note(PLATFORM, f"{fault}")
        if isinstance(fault, Status):
            reply = Reply(fault.body, fault.status, _retry_after(fault))
        elif isinstance(fault, Redirect):
            reply = Reply(b"", fault.status, {"Location": fault.location})
        elif isinstance(fault, Oversize):
            # JSON may be followed by space.
            reply = Reply(reply.body + b" " * fault.size, reply.status, reply.headers)
        elif fault is not None:
            await _strike(fault, link)
        timeline.note(PLATFORM, f"> {reply.status} {reply.body[:200].decode('utf-8', 'replace')}")
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    async def _accept(
        self, request: web.Request, call: Call, door: Door, link: Link
    ) -> web.StreamResponse:
        self._calls.append(call)
        fault = door.fault_of(link, *ON_WEBSOCKETS)
        refused = door.fault_of(link, *ON_ANSWERS)
        if refused is not None:
            return await self._answer(Reply(), refused, link)
        route = next((route for route in self.websockets if route.fits(call)), None)
        if route is None and self.websockets:
            return self._complain(call, None)
        refusal = None if route is None else route.refusal()
        if refusal is not None:
            return await self._answer(refusal, None, link)
        ws = web.WebSocketResponse(
            autoping=False,
            max_msg_size=0,
            compress=route is not None and route.compressed,
            protocols=() if route is None else route.protocols,
        )
        await ws.prepare(request)
        connection = Connection(self._background, call, ws, lambda: link, self.complaints)
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
            await connection.fail(fault)
        if route is not None and route.greet is not None:
            try:
                await route.greet(connection)
            except Exception as error:
                if connection.is_open:
                    self.complaints.append(f"the greeting of {connection} has failed: {error!r}")
                return
        self._connections.append(connection)


def _retry_after(fault: Status) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}


async def _strike(fault: Fault, link: Link) -> None:
    """Let a fault happen to the connection of a request; those that end it return at its end."""
    if isinstance(fault, Slow):
        link.slow_down(fault.pace)
        return
    if isinstance(fault, Cut):
        link.cut_after(fault.after)
        return
    if isinstance(fault, Reset):
        link.reset()
    elif isinstance(fault, Garbage):
        await link.send(fault.data)
        link.close()
    elif isinstance(fault, HalfOpen):
        link.hold()
    elif not isinstance(fault, Hang):
        raise TypeError(f"{fault} does not strike requests")
    await link.ended.wait()
    # Nobody gets an answer any more.
    raise asyncio.CancelledError
