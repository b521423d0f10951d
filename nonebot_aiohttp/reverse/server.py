"""The ``aiohttp.web`` face of the endpoints: one resource that finds adapters at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from ..drivers import HTTPRequest, HTTPResponse
from ..lifespan import Lifespan
from ..options import DriverOptions
from ..websocket import ServerSocket
from .endpoints import WEBHOOK, WEBSOCKET, Endpoints, Refused, join_headers, target_of

_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}
_UPGRADE_REQUIRED = "this is a WebSocket endpoint: send an upgrade request"


class AdapterResource(web.AbstractResource):
    """All paths of all adapters, those included that register when aiohttp's router is frozen.

    One table look-up instead of one regular expression per route.
    """

    def __init__(self, faces: AiohttpFace, *, claims_all: bool) -> None:
        """Make the two routes.

        Args:
            faces: What answers.
            claims_all: Whether names that no adapter has are answered here too; False leaves
                them to the routes of an application that was there before.
        """
        super().__init__()
        self._face = faces
        self._claims_all = claims_all
        self._prefix = ""
        self._routes = {
            WEBHOOK: web.ResourceRoute(WEBHOOK, faces.webhook, self),
            WEBSOCKET: web.ResourceRoute(WEBSOCKET, faces.websocket, self),
        }

    @property
    def canonical(self) -> str:
        """The path as aiohttp's router indexes it."""
        return self._prefix + "/{adapter}"

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Find the route of a request; see ``aiohttp.web.AbstractResource``."""
        target = target_of(request.path[len(self._prefix) :])
        if target is None or not (self._claims_all or self._face.endpoints.knows(target.adapter)):
            return None, set()
        if request.method != target.method:
            return None, {target.method}
        route = self._routes[target.method]
        return web.UrlMappingMatchInfo({"adapter": target.adapter}, route), set()

    def add_prefix(self, prefix: str) -> None:
        """Move below a prefix, as ``add_subapp`` asks for."""
        self._prefix = prefix + self._prefix

    def url_for(self, adapter: str = "") -> URL:  # type: ignore[override]
        """Make the URL of an adapter's webhook."""
        return URL.build(path=f"{self._prefix}/{adapter}/")

    def get_info(self) -> Any:
        """Describe the resource; see ``aiohttp.web.AbstractResource``."""
        return {"formatter": self.canonical}

    def raw_match(self, path: str) -> bool:
        """Tell whether a path is this resource's own; see ``aiohttp.web.AbstractResource``."""
        return path == self.canonical

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(self._routes.values())


class AiohttpFace:
    """Translates between aiohttp's requests and the endpoints."""

    def __init__(self, endpoints: Endpoints, options: DriverOptions) -> None:
        """Take what answers.

        Args:
            endpoints: The endpoints.
            options: The driver's settings.
        """
        self.endpoints = endpoints
        self._options = options

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        """Answer a webhook."""
        webhook = HTTPRequest(**connection_fields(request, request.scheme), method=request.method)
        name = request.match_info["adapter"]
        answer = await self.endpoints.webhook(name, webhook, partial(self._read_body, request))
        return to_response(answer)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket until its end."""
        scheme = _SOCKET_SCHEMES.get(request.scheme, request.scheme)
        socket = ServerSocket(request, self._options, **connection_fields(request, scheme))
        refused = _not_an_upgrade(request, socket)
        if refused is not None:
            return to_response(refused.response)
        answer = await self.endpoints.websocket(request.match_info["adapter"], socket)
        return socket.response if answer is None else to_response(answer)

    async def _read_body(self, request: web.Request) -> bytes:
        """Read the body, bounded by our own limit (``request.read()`` obeys the host's).

        Raises:
            Refused: It is too large, or too slow, or broken.
        """
        limit = self._options.max_body_size
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        content = request.content
        if content.is_eof() and content.exception() is None:
            body = content.read_nowait()
        else:
            body = await self._read_slow_body(request)
        if len(body) > limit:
            raise _too_large(limit)
        return body

    async def _read_slow_body(self, request: web.Request) -> bytes:
        reading = read_up_to(request, self._options.max_body_size + 1)
        try:
            return await asyncio.wait_for(reading, self._options.body_timeout)
        except asyncio.TimeoutError:
            seconds = self._options.body_timeout
            reason = f"the body took longer than {seconds:g} s (aiohttp_body_timeout)"
            raise Refused(408, reason, connection="close") from None
        except (web.RequestPayloadError, HttpProcessingError, ValueError):
            raise Refused(400, "the body is malformed", connection="close") from None


async def read_up_to(request: web.Request, limit: int) -> bytes:
    """Read a body chunk by chunk.

    Args:
        request: The request.
        limit: Bytes after which to stop, complete or not.

    Returns:
        The body, or its beginning of at least ``limit`` bytes.
    """
    chunks, size = [], 0
    while size < limit:
        chunk = await request.content.readany()
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def connection_fields(request: web.Request, scheme: str) -> dict[str, Any]:
    """Read the fields of the contract's ``HTTPConnection`` off a request.

    Args:
        request: The request.
        scheme: What the contract shall call the scheme.

    Returns:
        The fields by their names.
    """
    url = request.rel_url
    return {
        "http_version": f"{request.version.major}.{request.version.minor}",
        "scheme": scheme,
        "path": url.path,
        "query_string": url.raw_query_string.encode("utf-8", "surrogateescape"),
        "headers": join_headers(request.headers.items()),
    }


def to_response(answer: HTTPResponse) -> web.Response:
    """Make aiohttp's response of the contract's.

    Args:
        answer: The response; one of another framework that has the same attributes serves.

    Returns:
        aiohttp's response; ``connection: close`` closes the connection behind it.
    """
    body: Any = answer.body
    response = web.Response(status=answer.status, body=body, headers=answer.headers)
    if answer.headers and answer.headers.get("connection") == "close":
        response.force_close()
    return response


def install(app: web.Application, face: AiohttpFace, lifespan: Lifespan, claims_all: bool) -> None:
    """Put the endpoints and the life of a driver into an application.

    Args:
        app: The application, not started yet.
        face: What answers.
        lifespan: Started and stopped with the application.
        claims_all: See ``AdapterResource``.
    """

    async def start(_: web.Application) -> None:
        await lifespan.start()

    async def stop(_: web.Application) -> None:
        await lifespan.stop()

    app.router.register_resource(AdapterResource(face, claims_all=claims_all))
    app.on_startup.append(start)
    app.on_shutdown.append(stop)
    # An application whose later startup fails runs its cleanup only.
    app.on_cleanup.append(stop)


def _not_an_upgrade(request: web.Request, socket: ServerSocket) -> Refused | None:
    if "websocket" not in request.headers.get("upgrade", "").lower():
        return Refused(426, _UPGRADE_REQUIRED, upgrade="websocket", connection="upgrade")
    if not socket.response.can_prepare(request):
        return Refused(400, "the WebSocket handshake is malformed (RFC 6455, section 4.2.1)")
    return None


def _too_large(limit: int) -> Refused:
    reason = f"the body is larger than {limit} bytes (aiohttp_max_body_size)"
    return Refused(413, reason, connection="close")
