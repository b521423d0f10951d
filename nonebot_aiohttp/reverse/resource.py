"""The resource of aiohttp's router, which finds endpoints at any time and the guest behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import HttpVersion11, web
from yarl import URL

from .guest_http import make_scope
from .interface import Mismatch, decoded, is_exact

if TYPE_CHECKING:
    from .guest import Guest
    from .server import AiohttpFace


class Match(web.UrlMappingMatchInfo):
    """What was found, so that nobody looks it up twice; smaller than a table of it.

    Attributes:
        found: What ``Reachable.find`` has returned; for a guest the path below which it is served.
    """

    __slots__ = ("found",)

    found: Any


class LateResource(web.AbstractResource):
    """All paths of all endpoints, those included that come when aiohttp's router is frozen.

    It lists no routes: it has none that anybody could add to, such as headers for browsers.
    """

    def __init__(self, face: AiohttpFace, *, claims_all: bool) -> None:
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
        upgrade = request.method == "GET" and asks_for_websocket(request)
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


def asks_for_websocket(request: web.Request) -> bool:
    """Tell whether a request names the WebSocket protocol, well-formed or not.

    Args:
        request: The request.
    """
    return "websocket" in request.headers.get("upgrade", "").lower()


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Handle the header ``Expect`` (RFC 9110, section 10.1.1).

    aiohttp's own way fails on a value that is no UTF-8.

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
