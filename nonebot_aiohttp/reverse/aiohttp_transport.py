"""The ``aiohttp.web`` face of the endpoints: one resource that finds them at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import aiohttp
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from ..connections.aiohttp_websocket import ServerWebSocket
from ..connections.fairness import RequestTurns
from ..connections.websocket import SOCKET_SCHEMES
from ..drivers import HTTPRequest, HTTPResponse
from ..options import DriverOptions
from .bodies import BodyReader
from .endpoints import Endpoints, Mismatch, Refused, decoded, is_exact, upgrade_required
from .guests.http import make_scope
from .headers import Received
from .untyped import UntypedResponse

if TYPE_CHECKING:
    from .guests.guest import Guest

MOST_SEEN = 100
"""Connections after which those that have gone are forgotten, and twice as many as there are."""


class Match(web.UrlMappingMatchInfo):
    """What was found, so that nobody looks it up twice; smaller than a table of it.

    Attributes:
        found: What ``Endpoints.find`` has returned; for a guest the path below which it is served.
    """

    __slots__ = ("found",)

    found: Any


class LateResource(web.AbstractResource):
    """All paths of all endpoints, those included that come when aiohttp's router is frozen.

    It lists no routes: it has none that anybody could add to, such as headers for browsers.
    """

    def __init__(self, face: AiohttpTransport, *, claims_all: bool) -> None:
        """Make the route."""
        super().__init__()
        self._endpoints = face.endpoints
        self._claims_all = claims_all
        self._prefix = ""
        self._guest = face.guest
        self._http, self._websocket, self._mismatch, self._to_guest = (
            web.ResourceRoute("*", handler, self, expect_handler=expect)
            for handler in (face.http, face.websocket, face.mismatch, face.to_guest)
        )

    @property
    def canonical(self) -> str:
        """The path as aiohttp's router indexes it."""
        return f"{self._prefix}/{{target}}"

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Find the target of a request; see ``aiohttp.web.AbstractResource``."""
        path = decoded(request.rel_url.raw_path[len(self._prefix) :])
        upgrade = request.method == "GET" and _asks_for_websocket(request)
        found = self._endpoints.find(path, request.method, upgrade)
        if self._guest is not None and self._is_for(self._guest, request, found, upgrade):
            match = Match({}, self._to_guest)
            match.found = unquote(self._prefix)
            return match, set()
        if found is None:
            return None, set()
        if not self._claims_all:
            if not self._endpoints.is_served(
                found.target if isinstance(found, Mismatch) else found
            ):
                return None, set()
            if isinstance(found, Mismatch):
                # Another route of the application may have the method.
                return None, set(found.allowed)
        if isinstance(found, Mismatch):
            route = self._mismatch
        else:
            route = self._websocket if found.is_websocket else self._http
        match = Match({}, route)
        match.found = found
        return match, set()

    def _is_for(self, guest: Guest, request: web.Request, found: Any, upgrade: bool) -> bool:
        if is_exact(found, upgrade):
            return False
        kind = "websocket" if upgrade else "http"
        return (found is None and self._claims_all) or guest.has_route(
            make_scope(request, kind, unquote(self._prefix))
        )

    def add_prefix(self, prefix: str) -> None:
        """Move below a prefix, as ``add_subapp`` asks for."""
        self._prefix = prefix + self._prefix

    def url_for(self, target: str = "") -> URL:  # type: ignore[override]
        """Make the URL of a path below the prefix."""
        return URL(f"{self._prefix}/{target}")

    def get_info(self) -> Any:
        """Describe the resource; see ``aiohttp.web.AbstractResource``."""
        return {"formatter": self.canonical}

    def raw_match(self, path: str) -> bool:
        """Tell whether a path is this resource's own; see ``aiohttp.web.AbstractResource``."""
        return path == self.canonical

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())


class AiohttpTransport:
    """Translates between aiohttp's requests and the endpoints.

    Attributes:
        endpoints: The endpoints.
        guest: The ASGI application behind them, if there is one.
        turns: Who has to give way to the others.
        server: The own process's server; None under other hosts, which keep theirs to themselves.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        options: DriverOptions,
        bodies: BodyReader,
        guest: Guest | None = None,
    ) -> None:
        """Take what answers."""
        self.endpoints = endpoints
        self.guest = guest
        self._bodies = bodies
        self._headers = endpoints.headers
        self._options = options
        self._upgraded: set[web.RequestHandler] = set()
        # Connections of other hosts, as far as they have asked something.
        self._seen: set[web.RequestHandler] = set()
        self._most_seen = MOST_SEEN
        self.turns = RequestTurns()
        self.server: web.Server | None = None

    def keep_receiving(self) -> None:
        """Let the open WebSockets receive although aiohttp's server has begun to stop.

        It drops what arrives from before it tells its applications on, and with that the answers
        to API calls for which handlers in flight wait.
        """
        for protocol in self._upgraded:
            if getattr(protocol, "_close", False):
                # Private: nothing public undoes what Server.pre_shutdown() does.
                protocol._close = False

    def transports(self) -> Iterator[asyncio.Transport | None]:
        """List the connections that are open, as far as they are known."""
        if self.server is None:
            self._forget_gone()
        connections = tuple(self._seen) if self.server is None else self.server.connections
        # WebSockets have a limit of their own.
        return (each.transport for each in connections if each not in self._upgraded)

    def _forget_gone(self) -> None:
        self._seen = {each for each in self._seen if each.transport is not None}
        self._most_seen = 2 * len(self._seen) + MOST_SEEN

    def _has_to_give_way(self, request: web.Request) -> bool:
        """Take note of a connection, unless the own process has."""
        if self.server is not None:
            return False
        self._seen.add(request.protocol)
        if len(self._seen) > self._most_seen:
            self._forget_gone()
        return self.turns.is_over(request.protocol)

    async def http(self, request: web.Request) -> web.StreamResponse:
        """Answer an HTTP request for which aiohttp's router has found a webhook."""
        if self._has_to_give_way(request):
            await asyncio.sleep(0)
        match: Any = request.match_info
        return await self.webhook(match.found, request)

    async def mismatch(self, request: web.Request) -> web.StreamResponse:
        """Refuse a method."""
        if self._has_to_give_way(request):
            await asyncio.sleep(0)
        match: Any = request.match_info
        return aiohttp_response(self.endpoints.refuse_method(match.found))

    async def webhook(self, target: Any, received: web.BaseRequest) -> web.StreamResponse:
        """Answer an HTTP request for a webhook."""
        request = contract_request(received, self._headers)
        content = received.content
        try:
            if content.is_eof() and content.exception() is None:
                # It has arrived as a whole, as most have when their handler starts.
                request.body = content.read_nowait()
                self._bodies.check_size(len(request.body))
            else:
                refusal = self.endpoints.unavailable(target, request)
                if refusal is not None:
                    return aiohttp_response(refusal)
                self._bodies.check_declared(request.headers)
                request.body = await self._bodies.read(_chunks_of(content))
        except Refused as refused:
            return aiohttp_response(self.endpoints.refuse(target, refused))
        return aiohttp_response(await self.endpoints.http(target, request))

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket until its end."""
        if self._has_to_give_way(request):
            await asyncio.sleep(0)
        match: Any = request.match_info
        target, socket = match.found, self._socket(request)
        refused = _not_an_upgrade(request, socket)
        if refused is not None:
            return aiohttp_response(self.endpoints.refuse(target, refused))
        self._upgraded.add(request.protocol)
        try:
            answer = await self.endpoints.websocket(target, socket)
        finally:
            self._upgraded.discard(request.protocol)
        return socket.response if answer is None else aiohttp_response(answer)

    async def to_guest(self, request: web.Request) -> web.StreamResponse:
        """Hand a request on to the guest."""
        if self._has_to_give_way(request):
            await asyncio.sleep(0)
        guest, match = self.guest, request.match_info
        assert guest is not None
        root_path: str = match.found  # type: ignore[attr-defined]
        refusal = guest.refusal()
        if refusal is not None:
            return aiohttp_response(refusal)
        if request.method != "GET" or not _asks_for_websocket(request):
            return await guest.http(request, root_path)
        socket = self._socket(request)
        refused = _not_an_upgrade(request, socket)
        if refused is not None:
            return aiohttp_response(refused.response)
        self._upgraded.add(request.protocol)
        try:
            return await guest.websocket(request, socket, root_path)
        finally:
            self._upgraded.discard(request.protocol)

    def _socket(self, request: web.Request) -> ServerWebSocket:
        handshake = contract_request(request, self._headers)
        return ServerWebSocket(
            request,
            self._options,
            decode_text=self.endpoints.decode_text,
            http_version=handshake.http_version,
            scheme=SOCKET_SCHEMES.get(handshake.scheme, handshake.scheme),
            path=handshake.path,
            query_string=handshake.query_string,
            headers=handshake.headers,
        )


def _chunks_of(content: aiohttp.StreamReader) -> Callable[[], Awaitable[bytes | None]]:
    async def next_chunk() -> bytes | None:
        try:
            return await content.readany() or None
        except (web.RequestPayloadError, HttpProcessingError, ValueError):
            raise Refused(400, "the body is malformed", connection="close") from None
        except ConnectionError:
            raise Refused(400, "the client went away before the body was complete") from None

    return next_chunk


def contract_request(request: web.BaseRequest, headers: Callable[[Received], Any]) -> HTTPRequest:
    """Make the contract's request of aiohttp's.

    Args:
        request: The request.
        headers: Makes the kind of headers that is wanted; see ``Endpoints.headers``.

    Returns:
        The contract's request, without its body.
    """
    url, version = request.rel_url, request.version
    return HTTPRequest(
        f"{version.major}.{version.minor}",
        request.scheme,
        url.path,
        url.raw_query_string.encode("utf-8", "surrogateescape"),
        headers(request.headers),
        request.method,
    )


def aiohttp_response(answer: HTTPResponse) -> web.Response:
    """Make aiohttp's response of the contract's.

    Args:
        answer: The response; one of another framework that has the same attributes serves.

    Returns:
        aiohttp's response; ``connection: close`` closes the connection behind it.
    """
    # None for an empty one, which aiohttp sends the same way, but sooner.
    body: Any = answer.body or None
    headers = answer.headers
    kind = web.Response if headers and "content-type" in headers else UntypedResponse
    response = kind(status=answer.status, body=body, headers=headers or None)
    if headers.get("connection") == "close":
        response.force_close()
    return response


def _asks_for_websocket(request: web.Request) -> bool:
    return "websocket" in request.headers.get("upgrade", "").lower()


def _not_an_upgrade(request: web.Request, socket: ServerWebSocket) -> Refused | None:
    if not _asks_for_websocket(request):
        return upgrade_required()
    if not socket.is_upgrade:
        return Refused(400, "the WebSocket handshake is malformed (RFC 6455, section 4.2.1)")
    return None


def unknown_expectation() -> web.StreamResponse:
    """Refuse an ``Expect`` that nobody can fulfil (RFC 9110, section 10.1.1)."""
    return aiohttp_response(Refused(417, "unknown expectation").response)


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Handle the header ``Expect`` (RFC 9110, section 10.1.1).

    aiohttp's own way fails on a value that is no UTF-8.

    Returns:
        The answer to what nobody can fulfil; None to go on.
    """
    if request.headers.get("expect", "").lower() != "100-continue":
        return unknown_expectation()
    if request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is not part of the answer whose bytes are counted.
        request.writer.output_size = 0
    return None
