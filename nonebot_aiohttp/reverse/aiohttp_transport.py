"""``AiohttpTransport``: the endpoints behind ``aiohttp.web``, as one resource of its router."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import aiohttp
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from ..connections.aiohttp_websocket import ServerWebSocket
from ..connections.fairness import RequestTurns
from ..connections.schemes import websocket_scheme
from ..drivers import HTTPRequest, HTTPResponse
from ..options import DriverOptions
from .bodies import BodyReader, NextChunk
from .endpoints import Endpoints, Mismatch, decoded
from .refusals import CLIENT_GONE, Refused, Unremarkable, upgrade_required
from .untyped import UntypedResponse

if TYPE_CHECKING:
    from .guests.guest import Guest

ANY_PATH = "/{target}"
"""The path of a resource that stands for all paths of the endpoints."""

MOST_SEEN = 100
"""Connections of other hosts that are noted before those that have ended are forgotten."""


class Match(web.UrlMappingMatchInfo):
    """Carries from aiohttp's router to the handler what was found.

    Attributes:
        found: What ``Endpoints.find`` has returned; for a guest the path below which it is served.
    """

    __slots__ = ("found",)

    found: Any

    @property
    def route(self) -> web.AbstractRoute:
        """The route; its resource has the path that was found, by which tracing names a span."""
        route: Any = super().route
        resource: LateResource = route.resource
        return resource.named(route, self.found)


class LateResource(web.AbstractResource):
    """All paths of all endpoints, including those that come after aiohttp has frozen its router.

    It lists no routes, because others must not add to them, as libraries for CORS do.
    """

    def __init__(
        self, transport: AiohttpTransport, router: web.UrlDispatcher, *, claims_all: bool
    ) -> None:
        """Make the resource.

        Args:
            router: The router of which it will be a part.
            claims_all: Whether the application has no other purpose: the driver answers unknown
                paths, too. Otherwise they are left to the application's own routes.
        """
        super().__init__()
        self._endpoints = transport.endpoints
        self._router = router
        self._claims_all = claims_all
        self._prefix = ""
        self._path = ANY_PATH
        self._named: dict[tuple[web.ResourceRoute, str], web.ResourceRoute] = {}
        self._guest = transport.guest
        handlers = transport.http, transport.websocket, transport.mismatch, transport.to_guest
        self._http, self._websocket, self._mismatch, self._to_guest = (
            web.ResourceRoute("*", handler, self, expect_handler=expect) for handler in handlers
        )

    @property
    def canonical(self) -> str:
        """The path as aiohttp's router indexes it."""
        return self._prefix + self._path

    def named(self, route: web.ResourceRoute, found: Any) -> web.ResourceRoute:
        """Return a route of a resource with the path of what was found.

        It is the route itself where a peer has made up the path.
        """
        target = found.target if isinstance(found, Mismatch) else found
        # A guest's has the path below which it is served instead.
        if isinstance(target, str) or not self._endpoints.is_served(target):
            return route
        path = self._endpoints.path_of(target)
        known = self._named.get((route, path))
        if known is None:
            resource = copy(self)
            resource._path = path
            known = self._named[route, path] = web.ResourceRoute("*", route.handler, resource)
        return known

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Find what a request is for; see ``aiohttp.web.AbstractResource``."""
        path = decoded(request.rel_url.raw_path[len(self._prefix) :])
        upgrade = request.method == "GET" and _asks_for_websocket(request)
        found = self._endpoints.find(path, request.method, upgrade)
        if self._is_for_guest(request, found, upgrade):
            return _match(self._to_guest, self._root_path), set()
        if found is None:
            if self._claims_all and not await self._is_elsewhere(request):
                # Only for its line in the log: without a match aiohttp's router answers 404 itself.
                self._endpoints.refuse_path(path, request, request.method, upgrade)
            return None, set()
        if isinstance(found, Mismatch):
            if self._claims_all:
                return _match(self._mismatch, found), set()
            # Another route of the application may have the method.
            allowed = found.allowed if self._endpoints.is_served(found.target) else ()
            return None, set(allowed)
        if not self._claims_all and not self._endpoints.is_served(found):
            return None, set()
        return _match(self._websocket if found.is_websocket else self._http, found), set()

    async def _is_elsewhere(self, request: web.Request) -> bool:
        """Tell whether another route of the application has the path."""
        for each in self._router.resources():
            if each is not self:
                match, allowed = await each.resolve(request)
                if match is not None or allowed:
                    return True
        return False

    def _is_for_guest(self, request: web.Request, found: Any, upgrade: bool) -> bool:
        guest = self._guest
        return guest is not None and guest.is_for(
            found,
            upgrade,
            lambda: guest.scope_of(request, upgrade, self._root_path),
            takes_rest=self._claims_all,
        )

    @property
    def _root_path(self) -> str:
        return unquote(self._prefix)

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


def _match(route: web.ResourceRoute, found: Any) -> Match:
    match = Match({}, route)
    match.found = found
    return match


class AiohttpTransport:
    """Translates between aiohttp's requests and the endpoints.

    Attributes:
        guest: The ASGI application behind the endpoints' own paths, if there is one.
        turns: Tell which connection has to yield to the others.
        server: The own process's server; None under other hosts, which do not show theirs.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        options: DriverOptions,
        bodies: BodyReader,
        guest: Guest | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.guest = guest
        self._bodies = bodies
        self._options = options
        self._upgraded: set[web.RequestHandler] = set()
        # Connections of other hosts, which are known only once they have sent a request.
        self._seen: set[web.RequestHandler] = set()
        self._most_seen = MOST_SEEN
        self.turns = RequestTurns()
        self.server: web.Server | None = None

    def keep_receiving(self) -> None:
        """Let the open WebSockets receive although aiohttp's server has begun to stop.

        aiohttp drops what arrives before it tells its applications of the stop. Among that are the
        answers to API calls for which handlers in flight wait.
        """
        for protocol in self._upgraded:
            if getattr(protocol, "_close", False):
                # Private: nothing public undoes what Server.pre_shutdown() does.
                protocol._close = False

    def transports(self) -> Iterator[asyncio.Transport | None]:
        """List the open connections that are known, without WebSockets, which have a limit."""
        if self.server is None:
            self._forget_ended()
        connections = tuple(self._seen) if self.server is None else self.server.connections
        return (each.transport for each in connections if each not in self._upgraded)

    def _forget_ended(self) -> None:
        self._seen = {each for each in self._seen if each.transport is not None}
        self._most_seen = 2 * len(self._seen) + MOST_SEEN

    async def _take_turn(self, request: web.Request) -> None:
        """Note the connection, and yield to the others if it has had its turn.

        The own process does both before aiohttp's router.
        """
        if self.server is not None:
            return
        self._seen.add(request.protocol)
        if len(self._seen) > self._most_seen:
            self._forget_ended()
        if self.turns.is_over(request.protocol):
            await asyncio.sleep(0)

    async def http(self, request: web.Request) -> web.StreamResponse:
        """Answer an HTTP request for which aiohttp's router has found a webhook."""
        await self._take_turn(request)
        return await self.webhook(_found_for(request), request)

    async def mismatch(self, request: web.Request) -> web.StreamResponse:
        """Refuse a method."""
        await self._take_turn(request)
        upgrade = _asks_for_websocket(request)
        found = _found_for(request)
        return aiohttp_response(
            self.endpoints.refuse_method(found, request, request.method, upgrade)
        )

    async def webhook(self, target: Any, received: web.BaseRequest) -> web.StreamResponse:
        """Answer an HTTP request for a webhook."""
        fields = read_fields(received, self.endpoints.headers(received.headers))
        request = HTTPRequest(**fields, method=received.method)
        content = received.content
        if not content.is_eof() or content.exception() is not None:
            next_chunk = _chunks_of(content)
            bodies = self._bodies
            answer = await self.endpoints.answer(target, request, bodies, next_chunk, received)
            return aiohttp_response(answer)
        # Most bodies have arrived as a whole when their handler starts.
        request.body = content.read_nowait()
        try:
            self._bodies.check_size(len(request.body))
        except Refused as refused:
            return aiohttp_response(self.endpoints.refuse(target, refused, received))
        return aiohttp_response(await self.endpoints.http(target, request, received))

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket until its end."""
        await self._take_turn(request)
        target, websocket = _found_for(request), self._make_websocket(request)
        refused = _not_an_upgrade(request, websocket)
        if refused is not None:
            return aiohttp_response(self.endpoints.refuse(target, refused, request))
        self._upgraded.add(request.protocol)
        try:
            answer = await self.endpoints.websocket(target, websocket, request)
        finally:
            self._upgraded.discard(request.protocol)
        return websocket.response if answer is None else aiohttp_response(answer)

    async def to_guest(self, request: web.Request) -> web.StreamResponse:
        """Hand a request on to the guest."""
        await self._take_turn(request)
        guest, root_path = self.guest, _found_for(request)
        assert guest is not None
        refusal = guest.refusal(request)
        if refusal is not None:
            return aiohttp_response(refusal)
        if request.method != "GET" or not _asks_for_websocket(request):
            return await guest.http(request, root_path)
        websocket = self._make_websocket(request)
        refused = _not_an_upgrade(request, websocket)
        if refused is not None:
            return aiohttp_response(refused.response)
        self._upgraded.add(request.protocol)
        try:
            return await guest.websocket(request, websocket, root_path)
        finally:
            self._upgraded.discard(request.protocol)

    def _make_websocket(self, request: web.Request) -> ServerWebSocket:
        fields = read_fields(request, self.endpoints.headers(request.headers))
        fields["scheme"] = websocket_scheme(request.scheme)
        decode_text = self.endpoints.decode_text
        return ServerWebSocket(request, self._options, decode_text=decode_text, **fields)


def _found_for(request: web.Request) -> Any:
    match: Any = request.match_info
    return match.found


def _chunks_of(content: aiohttp.StreamReader) -> NextChunk:
    async def next_chunk() -> tuple[bytes, bool]:
        try:
            chunk = await content.readany()
        except (web.RequestPayloadError, HttpProcessingError, ValueError):
            raise Refused(400, "the body is malformed", connection="close") from None
        except ConnectionError:
            raise Unremarkable(400, CLIENT_GONE) from None
        return chunk, not content.at_eof()

    return next_chunk


def read_fields(request: web.BaseRequest, headers: Any) -> dict[str, Any]:
    """Read the fields of ``HTTPConnection``, which ASGI's scopes have by the same names."""
    url, version = request.rel_url, request.version
    return {
        "http_version": f"{version.major}.{version.minor}",
        "scheme": request.scheme,
        "path": url.path,
        "query_string": url.raw_query_string.encode("utf-8", "surrogateescape"),
        "headers": headers,
    }


def aiohttp_response(answer: HTTPResponse) -> web.Response:
    """Make aiohttp's response; ``connection: close`` closes the connection behind it."""
    headers = answer.headers
    response = UntypedResponse(status=answer.status, body=answer.body, headers=headers)
    if headers.get("connection") == "close":
        response.force_close()
    return response


def _asks_for_websocket(request: web.Request) -> bool:
    return "websocket" in request.headers.get("upgrade", "").lower()


def _not_an_upgrade(request: web.Request, websocket: ServerWebSocket) -> Refused | None:
    if not _asks_for_websocket(request):
        return upgrade_required()
    if not websocket.is_upgrade:
        return Refused(400, "the WebSocket handshake is malformed (RFC 6455, section 4.2.1)")
    return None


def unknown_expectation() -> web.StreamResponse:
    """Refuse an ``Expect`` that cannot be met (RFC 9110, section 10.1.1)."""
    return aiohttp_response(Refused(417, "unknown expectation").response)


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Handle the header ``Expect`` (RFC 9110, section 10.1.1); None goes on to the handler.

    aiohttp's own handler fails on a value that is not UTF-8.
    """
    if request.headers.get("expect", "").lower() != "100-continue":
        return unknown_expectation()
    if request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is not part of the answer whose bytes are counted.
        request.writer.output_size = 0
    return None
