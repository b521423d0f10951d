"""``Platform``: a chat platform on loopback, scripted by a test, which keeps what it has seen."""

from __future__ import annotations

import asyncio
import contextlib
import json as json_module
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from .background import Background
from .certificates import Certificates
from .client import Answer, Client, Signing
from .door import Door
from .faults import ExpiredCertificate, Fault
from .journal import Journal, Reader
from .matching import Path
from .polling import Updates, Wrapping
from .proxy import Proxy
from .replies import Json
from .routes import Route
from .seen import Call
from .server import Server, WebSocketRoute
from .timeline import PLATFORM, timeline
from .websockets import Connection

_ENDING = 15.0
"""Seconds for the platform's own end; only a failure takes them."""


class UnexpectedRequests(AssertionError):
    """The bot has sent requests that no route was for, or a route's function has failed."""


class UnusedReplies(AssertionError):
    """A route has replies that no request has asked for."""


class Platform:
    """A chat platform on loopback: it serves an API, polls and WebSockets, and calls bots itself.

    It runs in a thread of its own, so that it serves whatever event loop a test runs on::

        async with Platform() as platform:
            platform.on("POST", "/sendMessage").reply(json={"ok": True})

    At its end it raises what the bot has done that nobody expected, and which replies were never
    used, unless the test has failed already.

    Attributes:
        port: Its port of 127.0.0.1, the same after a restart.
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
                it there by a proxy and a certificate that are named in `environment`.
            tls: Whether `url` is https.
            allow_unexpected: Whether a request that no route is for, which is answered 501, fails
                the test.
            allow_unused: Whether a reply that was never used fails the test.
        """
        self.calls: Journal[Call] = Journal()
        self.connections: Journal[Connection] = Journal()
        self._hosts = tuple(hosts)
        self._tls = tls
        self._allow_unexpected = allow_unexpected
        self._allow_unused = allow_unused
        self._script: deque[Fault | None] = deque()
        self._background = Background("nonebot-testing-platform")
        self._certificates: Certificates | None = None
        self._door = Door(self._script)
        self._secure_door: Door | None = None
        self._proxy: Proxy | None = None
        self._server = Server(self._background, self.calls, self.connections)
        self._client = Client(self._background, self._server.complaints)
        self._taking = Reader(self.calls)
        self._arriving = Reader(self.connections)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 in `url`."""
        door = self._secure_door if self._tls else self._door
        assert door is not None
        return door.port

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
        if self._proxy is not None:
            found |= self._proxy.environment
        return found

    def on(
        self,
        method: str,
        path: str | re.Pattern[str],
        *,
        json: Mapping[str, Any] | None = None,
        host: str | None = None,
    ) -> Route:
        """Name requests to answer; of several routes that fit the one that was named last is used.

        Args:
            method: Such as ``POST``; ``*`` is any.
            path: Such as ``/bot{token}/{method}``, whose placeholders are for parts without a
                slash (`Call.match` has them), or a regular expression for all of the path.
            json: A part of the JSON, or of the form, that the requests have.
            host: The host that they name; None is any.
        """
        route = Route(self, method, Path(path), json, host)
        self._server.routes.insert(0, route)
        return route

    def updates(
        self,
        method: str,
        path: str,
        *,
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
            id: The field of an update with its number.
            offset: The parameter of a poll with the first number that it wants.
            after: Whether that parameter has the last number that is confirmed instead.
            hold: Seconds for which a poll that nothing waits for is held.
            wrap: Makes the answer of the list of updates; None is the list itself.
        """
        made = Updates(self._background, id=id, offset=offset, after=after, hold=hold, wrap=wrap)
        self.on(method, path).reply(made.answer)
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
        path: str,
        *,
        json: Any = None,
        deadline: float | None = None,
    ) -> Call:
        """Return the next request that is so, each once; wait for it if need be.

        Args:
            method: Such as ``POST``; ``*`` is any.
            path: As in `on`.
            json: A part of its JSON or form.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
        """
        route = Route(self, method, Path(path), json, None)
        return await self._take(lambda call: route.take(call) is not None, str(route), deadline)

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
            TypeError: There is more than one body.
        """
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
    ) -> Connection:
        """Open a WebSocket to the bot.

        Args:
            url: Where; `ws_url()` of the bot makes it.
            headers: Headers of the handshake.
            protocols: Subprotocols, the most preferred first.
            compressed: Whether permessage-deflate is offered (RFC 7692).
            fault: What goes wrong with the handshake.

        Raises:
            Refused: The bot has answered with a status instead.
            NoAnswer: The bot has not answered.
        """
        return await self._background.call(
            self._client.connect(url, headers or {}, protocols, compressed, fault)
        )

    def next_connections(self, *faults: Fault | None) -> None:
        """Let faults strike the next connections that the bot opens, one each; None is no fault."""
        self._script.extend(faults)

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function on the platform's event loop, where functions that answer run."""
        self._background.loop.call_soon_threadsafe(function)

    async def stop(self) -> None:
        """End all connections and refuse new ones, as a platform that is down; keep the port."""
        timeline.note(PLATFORM, "the platform stops")
        await self._background.call(self._shut())

    async def start(self) -> None:
        """Come back at the same address after `stop`."""
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

    async def _take(
        self, matches: Callable[[Call], bool], what: str, deadline: float | None
    ) -> Call:
        return await self._taking.take(matches, what, deadline)

    def __enter__(self) -> Platform:
        self._background.start()
        try:
            if self._tls or self._hosts:
                self._certificates = Certificates(self._hosts, self._is_expired_now)
                self._secure_door = Door(self._script, self._certificates.context)
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
        if kind is None:
            self.check()

    async def __aenter__(self) -> Platform:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def check(self) -> None:
        """Raise what is wrong so far.

        Raises:
            UnexpectedRequests: Nobody has expected some of the bot's requests.
            UnusedReplies: Some replies were never used.
        """
        if self._server.complaints and not self._allow_unexpected:
            raise UnexpectedRequests(_listed(self._server.complaints))
        unused = [found for route in self._server.routes if (found := route.problem)]
        if unused and not self._allow_unused:
            raise UnusedReplies(_listed(unused))

    def _is_expired_now(self) -> bool:
        return bool(self._script) and isinstance(self._script[0], ExpiredCertificate)

    async def _begin(self) -> None:
        await self._server.open(self._door, self._secure_door)
        await self._client.open()
        await self._open()
        if self._hosts:
            self._proxy = Proxy(self._hosts, self._server.complaints)
            assert self._secure_door is not None
            await self._proxy.open(self._door.port, self._secure_door.port)

    async def _open(self) -> None:
        await self._door.open(self._server.port)
        if self._secure_door is not None:
            await self._secure_door.open(self._server.port)

    async def _shut(self) -> None:
        await self._door.shut()
        if self._secure_door is not None:
            await self._secure_door.shut()

    def _end(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._certificates is not None:
                stack.callback(self._certificates.close)
            stack.callback(self._background.stop)
            self._background.wait(self._close(), _ENDING)

    async def _close(self) -> None:
        await self._client.close()
        if self._proxy is not None:
            await self._proxy.close()
        await self._door.close()
        if self._secure_door is not None:
            await self._secure_door.close()
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
