"""``Platform``: a chat platform on loopback, scripted by a test, which keeps what it has seen."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from ..wire.faults import ExpiredCertificate, Fault, Place, check
from .client import Answer, Signing
from .life import Life
from .matching import Path
from .polling import Updates, Wrapping
from .replies import Json
from .routes import Route
from .seen import Call
from .server import WebSocketRoute
from .websockets import Connection


class Platform(Life):
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
        """Let faults strike the next connections that the bot opens, one each; None spares one.

        A client may open another connection by itself when one fails, as aiohttp does once for
        methods that are idempotent, and meets the next fault then.

        Raises:
            TypeError: One needs a certificate, and the platform has neither ``tls`` nor ``hosts``.
                Or one is not a fault.
        """
        for fault in faults:
            if fault is not None:
                check(fault, Place.CONNECTION)
            if isinstance(fault, ExpiredCertificate) and not (self._tls or self._hosts):
                raise TypeError(f"{fault} needs a platform with tls=True or hosts=(...)")
        self._door.script.extend(faults)

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
