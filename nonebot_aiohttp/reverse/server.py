"""The ``aiohttp.web`` face of the endpoints: one resource that finds them at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial, update_wrapper
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiMapping
from yarl import URL

from ..drivers import HTTPRequest, HTTPResponse
from ..lifespan import Lifespan
from ..options import DriverOptions
from ..reading import read_up_to
from ..websocket import ServerSocket
from .interface import (
    ACKNOWLEDGED,
    Mismatch,
    Reachable,
    Refused,
    body_too_large,
    body_too_slow,
    new_request,
    upgrade_required,
)

_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}


class Match(web.UrlMappingMatchInfo):
    """A target that was found, so that nobody looks it up twice; smaller than a table of it.

    Attributes:
        target: What ``Reachable.find`` has returned.
    """

    __slots__ = ("target",)

    target: Any


class LateResource(web.AbstractResource):
    """All paths of all endpoints, those included that come when aiohttp's router is frozen.

    A table look-up of our own instead of one regular expression per route.
    """

    def __init__(self, face: AiohttpFace, *, claims_all: bool, beginning: str = "") -> None:
        """Make the routes.

        Args:
            face: What answers.
            claims_all: Whether targets that nobody serves are answered here too; False leaves
                them to the routes of an application that was there before.
            beginning: What the paths begin with for which aiohttp asks this resource; empty is
                any.
        """
        super().__init__()
        self._face = face
        self._endpoints = face.endpoints
        self._claims_all = claims_all
        self._prefix = ""
        self._beginning = beginning
        self._http = self._route("*", face.http)
        self._websocket = self._route("GET", face.websocket)
        self._mismatch = self._route("*", face.mismatch)
        # Each known webhook has a route that knows its target, which costs a request nothing.
        self._webhooks: dict[str, web.ResourceRoute] = {}

    def _route(self, method: str, handler: Any) -> web.ResourceRoute:
        return web.ResourceRoute(method, handler, self, expect_handler=expect)

    @property
    def canonical(self) -> str:
        """The path as aiohttp's router indexes it."""
        return f"{self._prefix}{self._beginning}/{{target}}"

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Find the route of a request; see ``aiohttp.web.AbstractResource``."""
        path, method = request.rel_url.path, request.method
        if self._prefix:
            path = path[len(self._prefix) :]
        webhook = self._webhooks.get(path) if method == "POST" else None
        if webhook is not None:
            return web.UrlMappingMatchInfo({}, webhook), set()
        upgrade = method == "GET" and _asks_for_websocket(request)
        found = self._endpoints.find(path, method, upgrade)
        if found is None:
            return None, set()
        if isinstance(found, Mismatch):
            route, target = self._mismatch, found.target
        else:
            route, target = (self._websocket if found.is_websocket else self._http), found
        if not self._claims_all:
            if not self._endpoints.is_served(target):
                return None, set()
            if isinstance(found, Mismatch):
                # Another route of the application may have the method.
                return None, set(found.allowed)
        if method == "POST" and path in self._endpoints.webhooks:
            # With a name, as middleware may want to log it.
            handler = update_wrapper(partial(self._face.webhook, target), self._face.webhook)
            self._webhooks[path] = self._route("*", handler)
        match = Match({}, route)
        match.target = found
        return match, set()

    def add_prefix(self, prefix: str) -> None:
        """Move below a prefix, as ``add_subapp`` asks for."""
        self._prefix = prefix + self._prefix

    def url_for(self, target: str = "") -> URL:  # type: ignore[override]
        """Make the URL of a path below the prefix."""
        return URL.build(path=f"{self._prefix}{self._beginning}/{target}")

    def get_info(self) -> Any:
        """Describe the resource; see ``aiohttp.web.AbstractResource``."""
        return {"formatter": self.canonical}

    def raw_match(self, path: str) -> bool:
        """Tell whether a path is this resource's own; see ``aiohttp.web.AbstractResource``."""
        return path == self.canonical

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter((self._http, self._websocket))


class Elsewhere(LateResource):
    """All paths that no endpoint has, which aiohttp alone cannot answer with every ``Expect``.

    But for the empty one, of ``CONNECT`` and of ``http://host``: no resource is asked for that.
    """

    def __init__(self, face: AiohttpFace) -> None:
        """Make the route.

        Args:
            face: What answers the paths of the endpoints.
        """
        super().__init__(face, claims_all=True)
        self._not_found = self._route("*", not_found)

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Find nothing; see ``aiohttp.web.AbstractResource``."""
        return web.UrlMappingMatchInfo({}, self._not_found), set()


class AiohttpFace:
    """Translates between aiohttp's requests and the endpoints."""

    def __init__(self, endpoints: Reachable, options: DriverOptions) -> None:
        """Take what answers.

        Args:
            endpoints: The endpoints.
            options: The driver's settings.
        """
        self.endpoints = endpoints
        self._headers = endpoints.headers
        self._options = options
        self._max_body_size = options.max_body_size
        self._upgraded: set[web.RequestHandler] = set()

    def keep_receiving(self) -> None:
        """Let the open WebSockets receive although aiohttp's server has begun to stop.

        It drops what arrives from before it tells its applications on, and with that the answers
        to API calls for which handlers in flight wait.
        """
        for protocol in self._upgraded:
            if getattr(protocol, "_close", False):
                # Private: nothing public undoes what Server.pre_shutdown() does.
                protocol._close = False

    async def http(self, request: web.Request) -> web.StreamResponse:
        """Answer an HTTP request."""
        match: Any = request.match_info
        return await self.webhook(match.target, request)

    async def webhook(self, target: Any, request: web.Request) -> web.StreamResponse:
        """Answer an HTTP request for a target that is known."""
        content = request.content
        try:
            if content.is_eof() and content.exception() is None:
                # It has arrived as a whole, as most have when their handler starts.
                body = content.read_nowait()
            else:
                refusal = self.endpoints.unavailable(target)
                if refusal is not None:
                    return to_response(refusal)
                body = await self._read_body(request)
            if len(body) > self._max_body_size:
                raise body_too_large(self._max_body_size)
        except Refused as refused:
            return to_response(self.endpoints.refuse(target, refused))
        answer = await self.endpoints.http(target, to_request(request, body, self._headers))
        # As to_response() says it, in a call less: nearly every event gets this.
        return web.Response() if answer is ACKNOWLEDGED else to_response(answer)

    async def mismatch(self, request: web.Request) -> web.StreamResponse:
        """Refuse a method."""
        match: Any = request.match_info
        return to_response(self.endpoints.refuse_method(match.target))

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket until its end."""
        match: Any = request.match_info
        socket = self._socket(request)
        refused = _not_an_upgrade(request, socket)
        if refused is not None:
            return to_response(self.endpoints.refuse(match.target, refused))
        self._upgraded.add(request.protocol)
        try:
            answer = await self.endpoints.websocket(match.target, socket)
        finally:
            self._upgraded.discard(request.protocol)
        return socket.response if answer is None else to_response(answer)

    def _socket(self, request: web.Request) -> ServerSocket:
        handshake = to_request(request, b"", self._headers)
        return ServerSocket(
            request,
            self._options,
            decode_text=self.endpoints.decode_text,
            http_version=handshake.http_version,
            scheme=_SOCKET_SCHEMES.get(handshake.scheme, handshake.scheme),
            path=handshake.path,
            query_string=handshake.query_string,
            headers=handshake.headers,
        )

    async def _read_body(self, request: web.Request) -> bytes:
        """Read a body that is not there yet, up to one byte more than our own limit allows.

        Raises:
            Refused: It is declared too large, or too slow, or broken.
        """
        limit = self._max_body_size
        if (request.content_length or 0) > limit:
            raise body_too_large(limit)
        reading = read_up_to(request.content, limit + 1)
        try:
            return await asyncio.wait_for(reading, self._options.body_timeout)
        except asyncio.TimeoutError:
            raise body_too_slow(self._options.body_timeout) from None
        except (web.RequestPayloadError, HttpProcessingError, ValueError):
            raise Refused(400, "the body is malformed", connection="close") from None
        except ConnectionError:
            raise Refused(400, "the client went away before the body was complete") from None


def to_request(
    request: web.Request, body: bytes, headers: Callable[[MultiMapping[str]], Any]
) -> HTTPRequest:
    """Make the contract's request of aiohttp's.

    Args:
        request: The request.
        body: Its body.
        headers: Makes the kind of headers that is wanted; see ``Reachable.headers``.

    Returns:
        The contract's request.
    """
    url, version = request.rel_url, request.version
    query = url.raw_query_string
    made = new_request(HTTPRequest)
    made.http_version = "1.1" if version is HttpVersion11 else f"{version.major}.{version.minor}"
    made.scheme = request.scheme
    made.path = url.path
    made.query_string = query.encode("utf-8", "surrogateescape") if query else b""
    made.headers = headers(request.headers)
    made.method = request.method
    made.body = body
    return made


def to_response(answer: HTTPResponse) -> web.Response:
    """Make aiohttp's response of the contract's.

    Args:
        answer: The response; one of another framework that has the same attributes serves.

    Returns:
        aiohttp's response; ``connection: close`` closes the connection behind it.
    """
    # None for an empty one, which aiohttp sends the same way, but sooner.
    body: Any = answer.body or None
    headers = answer.headers
    if not headers:
        return web.Response(status=answer.status, body=body)
    response = web.Response(status=answer.status, body=body, headers=headers)
    if headers.get("connection") == "close":
        response.force_close()
    return response


def install(app: web.Application, face: AiohttpFace, lifespan: Lifespan, claims_all: bool) -> None:
    """Put the endpoints and the life of a driver into an application.

    Args:
        app: The application, not started yet.
        face: What answers.
        lifespan: Started and stopped with the application.
        claims_all: See ``LateResource``.
    """
    runs = False

    async def start(_: web.Application) -> None:
        nonlocal runs
        await lifespan.start()
        runs = True

    async def keep_receiving(_: web.Application) -> None:
        face.keep_receiving()

    async def stop(_: web.Application) -> None:
        nonlocal runs
        # Another host may run the driver, because of which the start here has failed.
        if runs:
            runs = False
            await lifespan.stop()

    app.router.register_resource(LateResource(face, claims_all=claims_all))
    app.on_startup.append(start)
    # First, for what arrives until then is lost; and the application's own shutdown may close what
    # handlers in flight need.
    app.on_shutdown.insert(0, keep_receiving)
    app.on_shutdown.insert(1, stop)
    # An application whose later startup fails runs its cleanup only.
    app.on_cleanup.append(stop)


def own(app: web.Application, face: AiohttpFace) -> None:
    """Complete an application with the endpoints and nothing else.

    aiohttp finds what is known now sooner, as it looks for the longest beginning first; and what
    nobody has is answered here too.

    Args:
        app: The application, into which the endpoints are installed.
        face: What answers.
    """
    for beginning in face.endpoints.beginnings():
        app.router.register_resource(LateResource(face, claims_all=True, beginning=beginning))
    app.router.register_resource(Elsewhere(face))


async def not_found(_: web.Request) -> web.StreamResponse:
    """Answer a path that nobody has, as aiohttp does."""
    raise web.HTTPNotFound


def _asks_for_websocket(request: web.Request) -> bool:
    return "websocket" in request.headers.get("upgrade", "").lower()


def _not_an_upgrade(request: web.Request, socket: ServerSocket) -> Refused | None:
    if not _asks_for_websocket(request):
        return upgrade_required()
    try:
        fits = bool(socket.response.can_prepare(request))
    except ValueError:
        # aiohttp shows in its answer what the peer has sent, which is no UTF-8 always.
        fits = False
    if not fits:
        return Refused(400, "the WebSocket handshake is malformed (RFC 6455, section 4.2.1)")
    return None


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Handle the header ``Expect`` (RFC 9110, section 10.1.1).

    aiohttp's own way fails on a value that is no UTF-8.

    Args:
        request: The request.

    Returns:
        The answer to what nobody can fulfil; None to go on.
    """
    if request.headers.get("expect", "").lower() != "100-continue":
        return web.Response(status=417, body=b"unknown expectation")
    if request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is not part of the answer whose bytes are counted.
        request.writer.output_size = 0
    return None
