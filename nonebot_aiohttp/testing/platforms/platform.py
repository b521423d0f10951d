"""``Platform``: a chat platform on loopback, scripted by a test, which keeps what it has seen."""

from __future__ import annotations

import asyncio
import contextlib
import json as json_module
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..common.journal import Journal, Reader
from ..common.timeline import PLATFORM, timeline
from ..wire.background import Background
from ..wire.certificates import Certificates
from ..wire.door import Door
from ..wire.faults import ExpiredCertificate, Fault, Place, check
from ..wire.listeners import Listener
from ..wire.proxy import Proxy, environment
from .client import Answer, Client, Signing
from .matching import Path
from .polling import Updates, Wrapping
from .problems import Problems
from .replies import Json
from .routes import Route
from .seen import Call
from .server import Server, WebSocketRoute
from .websockets import Connection

if TYPE_CHECKING:
    from typing_extensions import Self

_ENDING = 15.0
"""Seconds for the platform's own end; only a failure takes them."""


class UnexpectedRequests(AssertionError):
    """The bot has sent requests that no route was for, or wanted to reach a stranger's host."""


class UnusedReplies(AssertionError):
    """Replies that no request has asked for, or faults that have struck nothing."""


class FunctionFailed(AssertionError):
    """A function of the test, which answers or greets, has failed; its error is the cause."""


class Platform:
    """A chat platform on loopback: it serves an API, polls and WebSockets, and calls bots itself.

    It runs in a thread of its own, so that it serves whatever event loop a test runs on::

        async with Platform() as platform:
            platform.on("POST", "/sendMessage").reply(json={"ok": True})

    At its end it raises what the bot has done that nobody expected, and which replies were never
    used, unless the test has failed already.

    Attributes:
        calls: The requests so far, the oldest first; handshakes of WebSockets are among them.
        connections: The WebSockets so far which the bot has opened.
    """

    def __init__(
        self,
        *,
        hosts: Iterable[str] = (),
        tls: bool = False,
        allow_unexpected: bool = False,
        allow_unused: bool = False,
    ) -> None:
        """Make a platform; it begins with its block.

        Args:
            hosts: Hosts that it plays beside 127.0.0.1, such as ``api.telegram.org``. Bots reach
                it there by a proxy and a certificate that are named in `environment`. A bot has
                one environment, so that one platform plays all hosts of a test: ``host=`` of
                `on`, `updates` and `websocket` tells them apart.
            tls: Whether `url` is https.
            allow_unexpected: Whether a request that no route is for, which is answered 501, is no
                failure of the test.
            allow_unused: Whether a reply or a fault that was never used is no failure.
        """
        self.calls: Journal[Call] = Journal()
        self.connections: Journal[Connection] = Journal()
        self._hosts = tuple(hosts)
        self._tls = tls
        self._allow_unexpected = allow_unexpected
        self._allow_unused = allow_unused
        self._background = Background("nonebot-testing-platform", self._close)
        self._problems = Problems()
        self._certificates: Certificates | None = None
        self._door = Door()
        proxy = Proxy(self._hosts, self._door, self._problems.unexpected)
        failed = self._problems.failed
        self._plain = Listener(self._door.serve, failed)
        self._secure = Listener(self._door.serve_secure, failed)
        self._proxy = Listener(proxy.serve, failed)
        self._server = Server(
            self._background, self._door, self._problems, self.calls, self.connections
        )
        self._client = Client(self._background, self._problems)
        self._taking = Reader(self.calls)
        self._arriving = Reader(self.connections)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 in `url`, the same after a restart."""
        port = (self._secure if self._tls else self._plain).port
        if not port:
            raise RuntimeError("a platform has no port before its block: async with platform: ...")
        return port

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address for WebSockets, without a slash at its end."""
        return f"ws{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a bot reaches the hosts, and trusts the certificates."""
        found: dict[str, str] = {}
        if self._certificates is not None:
            found |= self._certificates.environment
        if self._proxy.port:
            found |= environment(self._proxy.port)
        return found

    def on(
        self,
        method: str,
        path: str | re.Pattern[str],
        *,
        json: Any = None,
        host: str | None = None,
    ) -> Route:
        """Name requests to answer; of several routes that fit the one that was named last is used.

        Args:
            method: Such as ``POST``; ``*`` is any.
            path: Such as ``/bot{token}/{method}``, whose placeholders are for parts without a
                slash (`Call.match` has them), or a regular expression for all of the path.
            json: A part of the JSON, or of the form and the query, that the requests have; or a
                function that decides about these.
            host: The host that they name; None is any.

        Raises:
            ValueError: The method or the path cannot be one.
        """
        route = Route(self, method, Path(path), json, host)
        self._server.routes.insert(0, route)
        return route

    def updates(
        self,
        method: str,
        path: str | re.Pattern[str],
        *,
        host: str | None = None,
        id: str = "id",
        offset: str = "offset",
        after: bool = False,
        hold: float = 30.0,
        wrap: Wrapping | None = None,
    ) -> Updates:
        """Answer polls from a queue of updates.

        Args:
            method: The method of a poll; ``*`` is any.
            path: The path of a poll, as in `on`.
            host: The host that it names; None is any.
            id: The field of an update with its number.
            offset: The parameter of a poll with the first number that it wants.
            after: Whether that parameter has the last number that is confirmed instead.
            hold: Seconds for which a poll that nothing waits for is held.
            wrap: Makes the answer of the list of updates; None is the list itself.
        """
        made = Updates(
            self,
            self._background,
            method,
            Path(path),
            host,
            id=id,
            offset=offset,
            after=after,
            hold=hold,
            wrap=wrap,
        )
        self._server.routes.insert(0, made)
        return made

    def websocket(
        self,
        path: str = "{path:.*}",
        greet: Callable[[Connection], Awaitable[None]] | None = None,
        *,
        host: str | None = None,
        protocols: Iterable[str] = (),
        compressed: bool = False,
    ) -> WebSocketRoute:
        """Accept the bot's WebSockets at a path; without any such route all are accepted.

        Args:
            path: As in `on`.
            greet: An async function that begins each connection, such as with a hello for which
                an answer is expected. It runs on the platform's event loop. `connected` returns
                the connection when it has ended.
            host: The host that they name; None is any.
            protocols: Subprotocols, the most preferred first.
            compressed: Whether messages are compressed (RFC 7692) if the bot offers that.
        """
        route = WebSocketRoute(Path(path), greet, host, tuple(protocols), compressed)
        self._server.websockets.insert(0, route)
        return route

    async def expect(
        self,
        method: str,
        path: str | re.Pattern[str],
        *,
        json: Any = None,
        host: str | None = None,
        deadline: float | None = None,
    ) -> Call:
        """Return the next request that is so, each once; wait for it if need be.

        Args:
            method: Such as ``POST``; ``*`` is any.
            path: As in `on`.
            json: A part of its JSON or form, or a function that decides about that.
            host: The host that it names; None is any.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
        """
        route = Route(self, method, Path(path), json, host)
        return await self.take(route.take, str(route), route, None, deadline)

    async def connected(
        self, path: str | None = None, *, deadline: float | None = None
    ) -> Connection:
        """Return the next WebSocket that the bot has opened, each once; wait for it if need be.

        Args:
            path: Its path, as in `on`; None is any.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
        """
        wanted = None if path is None else Path(path)
        return await self._arriving.take(
            lambda connection: wanted is None or wanted.match(connection.call.path) is not None,
            f"a WebSocket of the bot{f' at {path}' if path else ''}",
            deadline,
            nearest=lambda left: "\n".join(f"it got {connection}" for connection in left),
        )

    async def post(
        self,
        url: str,
        *,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        sign: Signing | None = None,
        method: str = "POST",
        fault: Fault | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Send a webhook to the bot, and return its answer.

        Args:
            url: Where; `url()` of the bot makes it.
            json: The body as JSON.
            form: The body as a form.
            body: The body as bytes.
            headers: Headers; ``Content-Type`` follows from the body otherwise.
            sign: Makes headers of the body, such as a signature.
            method: The method.
            fault: What goes wrong with it.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NoAnswer: The bot has not answered.
            TypeError: There is more than one body, or the fault does not strike webhooks.
        """
        if fault is not None:
            check(fault, Place.WEBHOOK)
        content, fields = _content(json, form, body)
        fields |= dict(headers or {})
        if sign is not None:
            fields |= sign(content)
        return await self._background.call(
            self._client.request(method, url, content, fields, fault, deadline)
        )

    async def connect(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        protocols: Iterable[str] = (),
        compressed: bool = False,
        fault: Fault | None = None,
        deadline: float | None = None,
    ) -> Connection:
        """Open a WebSocket to the bot.

        Args:
            url: Where; `ws_url()` of the bot makes it.
            headers: Headers of the handshake.
            protocols: Subprotocols, the most preferred first.
            compressed: Whether permessage-deflate is offered (RFC 7692).
            fault: What goes wrong: `Close`, `Silent` and `Oversize` strike the WebSocket as soon as
                it is open, the others strike the handshake.
            deadline: Seconds for the handshake; None is `DEADLINE`.

        Raises:
            Refused: The bot has answered with a status instead.
            NoAnswer: The bot has not answered.
            TypeError: The fault strikes no WebSocket that the platform opens.
        """
        if fault is not None:
            check(fault, Place.OPENING)
        return await self._background.call(
            self._client.connect(url, headers or {}, protocols, compressed, fault, deadline)
        )

    def next_connections(self, *faults: Fault | None) -> None:
        """Let faults strike the next connections that the bot opens, one each; None is no fault.

        A client may open another connection by itself when one fails, as aiohttp does once for
        methods that are idempotent, and meets the next fault then.

        Raises:
            TypeError: One needs a certificate, and the platform has neither ``tls`` nor ``hosts``.
                Or one is no fault.
        """
        for fault in faults:
            if fault is not None:
                check(fault, Place.CONNECTION)
            if isinstance(fault, ExpiredCertificate) and not (self._tls or self._hosts):
                raise TypeError(f"{fault} needs a platform with tls=True or hosts=(...)")
        self._door.script.extend(faults)

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function on the platform's event loop, where functions that answer run."""
        self._background.soon(function)

    async def stop(self) -> None:
        """End all connections and refuse new ones, as a platform that is down; keep the port."""
        timeline.note(PLATFORM, "the platform stops")
        await self._background.call(self._shut())

    async def start(self) -> None:
        """Come back at the same address after `stop`.

        Raises:
            RuntimeError: It is there already.
            OSError: Another process has taken its port.
        """
        if self._plain.is_open:
            raise RuntimeError(
                "the platform runs already: its block has started it, and start() comes after"
                " stop()"
            )
        await self._background.call(self._open())
        timeline.note(PLATFORM, "the platform starts")

    async def restart(self, after: float = 0.0) -> None:
        """Stop, and come back at the same address.

        Args:
            after: Seconds during which connections are refused.
        """
        await self.stop()
        await asyncio.sleep(after)
        await self.start()

    async def take(
        self,
        match: Callable[[Call], Call | None],
        what: str,
        route: Route,
        json: Any,
        deadline: float | None,
    ) -> Call:
        """Return the next call that matches, as `expect` and `Route.expect` do."""
        call = await self._taking.take(
            lambda call: match(call) is not None,
            what,
            deadline,
            nearest=lambda left: route.near(left, json),
        )
        return match(call) or call

    def __enter__(self) -> Self:
        self._background.start()
        try:
            if self._tls or self._hosts:
                self._certificates = self._door.certificates = Certificates(self._hosts)
            self._background.wait(self._begin(), _ENDING)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._judge(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # The bot may live on this loop: it goes on while its connections end.
            await self._background.call_within(self._close(), _ENDING)
        finally:
            self._end()
        self._judge(error)

    def check(self) -> None:
        """Raise what is wrong so far.

        Raises:
            FunctionFailed: A function of the test has failed.
            UnexpectedRequests: Nobody has expected some of the bot's requests.
            UnusedReplies: Some replies were never used.
        """
        if self._problems.errors:
            error = self._problems.errors[0][1]
            raise FunctionFailed(_listed(self._problems.tracebacks)) from error
        if self._problems.complaints and not self._allow_unexpected:
            raise UnexpectedRequests(_listed(self._problems.complaints))
        if self._unused and not self._allow_unused:
            raise UnusedReplies(_listed(self._unused))

    @property
    def _unused(self) -> list[str]:
        routes: list[Route | WebSocketRoute] = [*self._server.routes, *self._server.websockets]
        found = [route.problem for route in routes if route.problem]
        return found + [f"{fault} has struck no connection" for fault in self._door.unused]

    def _judge(self, error: BaseException | None) -> None:
        """Raise what is wrong, unless the test has failed already, which it may have led to."""
        if error is None:
            self.check()
            return
        problems = [*self._problems.tracebacks, *self._problems.complaints]
        # Python 3.10 has no notes.
        if problems and hasattr(error, "add_note"):
            error.add_note("\n".join(["The platform has seen besides:", *problems]))

    async def _begin(self) -> None:
        self._door.target = await self._server.open()
        await self._client.open()
        await self._open()

    async def _open(self) -> None:
        try:
            for listener in self._listeners:
                await listener.open()
        except BaseException:
            await self._shut()
            raise

    async def _shut(self) -> None:
        for listener in self._listeners:
            await listener.shut()

    @property
    def _listeners(self) -> list[Listener]:
        secure = [self._secure] if self._certificates is not None else []
        return [self._plain, *secure, *([self._proxy] if self._hosts else [])]

    def _end(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._certificates is not None:
                stack.callback(self._certificates.close)
            stack.callback(self._background.stop)
            self._background.wait(self._close(), _ENDING)

    async def _close(self) -> None:
        await self._client.close()
        for listener in self._listeners:
            await listener.close()
        await self._server.close()


def _content(
    json: Json, form: Mapping[str, str] | None, body: bytes | None
) -> tuple[bytes, dict[str, str]]:
    """Make a body, and the header that says what it is."""
    if sum(value is not None for value in (json, form, body)) > 1:
        raise TypeError("a webhook has one body: json, form or body")
    if json is not None:
        return json_module.dumps(json).encode(), {"Content-Type": "application/json"}
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return body or b"", {}


def _listed(problems: Iterable[str]) -> str:
    return "\n".join([*problems, "", timeline.render()])
