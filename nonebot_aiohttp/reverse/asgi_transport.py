"""``AsgiTransport``: the endpoints behind ASGI 3 (https://asgi.readthedocs.io)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..connections.asgi_websocket import AsgiWebSocket, Receive, Send, close_event
from ..connections.closing import POLICY_VIOLATION
from ..drivers import HTTPRequest, HTTPResponse
from ..options import DriverOptions
from .answers import FRAMING
from .bodies import BodyReader, NextChunk
from .endpoints import Endpoints, Mismatch, decoded, is_target
from .refusals import CLIENT_GONE, Unremarkable, upgrade_required

if TYPE_CHECKING:
    from .guests.guest import Guest

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


class AsgiTransport:
    """Translates between ASGI's connections and the endpoints."""

    def __init__(
        self,
        endpoints: Endpoints,
        options: DriverOptions,
        bodies: BodyReader,
        guest: Guest | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._options = options
        self._bodies = bodies
        self._guest = guest

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or one WebSocket."""
        upgrade = scope["type"] == "websocket"
        method = "GET" if upgrade else scope["method"]
        found = self._endpoints.find(local_path(scope), method, upgrade)
        guest = self._guest
        if guest is not None and guest.is_for(found, upgrade, lambda: scope):
            await self._serve_guest(guest, scope, receive, send)
        elif upgrade:
            await self._serve_websocket(found, scope, receive, send)
        else:
            for event in response_events(await self._answer(found, scope, receive)):
                await send(event)

    async def _serve_guest(self, guest: Guest, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = guest.refusal(scope)
        if refusal is None:
            await guest.app(guest.with_state(scope), receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await refuse_websocket(scope, send, refusal)
        else:
            for event in response_events(refusal):
                await send(event)

    async def _answer(self, found: Any, scope: Scope, receive: Receive) -> HTTPResponse:
        if found is None:
            return self._endpoints.refuse_path(local_path(scope), scope, scope["method"])
        if isinstance(found, Mismatch):
            return self._endpoints.refuse_method(found, scope, scope["method"])
        if found.is_websocket:
            return self._endpoints.refuse(found, upgrade_required(), scope)
        request = HTTPRequest(**self._read_fields(scope, "http"), method=scope["method"])
        next_chunk = _chunks_of(receive)
        return await self._endpoints.answer(found, request, self._bodies, next_chunk, scope)

    async def _serve_websocket(
        self, found: Any, scope: Scope, receive: Receive, send: Send
    ) -> None:
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        answer: HTTPResponse | None
        if is_target(found) and found.is_websocket:
            fields = self._read_fields(scope, "ws")
            websocket = AsgiWebSocket(receive, send, self._options, **fields)
            answer = await self._endpoints.websocket(found, websocket, scope)
        elif isinstance(found, Mismatch):
            answer = self._endpoints.refuse_method(found, scope, "GET", upgrade=True)
        else:
            answer = self._endpoints.refuse_path(local_path(scope), scope, "GET", upgrade=True)
        if answer is not None:
            await refuse_websocket(scope, send, answer)

    def _read_fields(self, scope: Scope, scheme: str) -> dict[str, Any]:
        """Read the fields of ``HTTPConnection``; a server may leave out the scheme."""
        # A server may give the headers as any iterable.
        headers = [
            (name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape"))
            for name, value in scope["headers"]
        ]
        return {
            "http_version": scope.get("http_version", "1.1"),
            "scheme": scope.get("scheme") or scheme,
            "path": scope["path"],
            "query_string": scope.get("query_string", b""),
            "headers": self._endpoints.headers(headers),
        }


def _chunks_of(receive: Receive) -> NextChunk:
    async def next_chunk() -> tuple[bytes, bool]:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Unremarkable(400, CLIENT_GONE)
        return event.get("body", b""), event.get("more_body", False)

    return next_chunk


def local_path(scope: Scope) -> str:
    """Find the path below ``root_path``, decoded as ``decoded`` does.

    ASGI has ``path`` include ``root_path``; servers and frameworks of before 2023 leave it out.
    """
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    if raw and b"%" in raw:
        raw_path = raw.partition(b"?")[0].decode("latin-1")
        # Not where middleware has replaced the path, and left the raw one.
        path = decoded(raw_path) if unquote(raw_path) == path else path
    root: str | None = scope.get("root_path")
    if not root:
        return path
    root = root.rstrip("/")
    return path[len(root) :] if path.startswith(root + "/") else path


def response_events(answer: HTTPResponse) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a response's two events, anew each time because middleware adds headers to them."""
    status, body = answer.status, answer.body or b""
    # RFC 9110, section 8.6: not with 204.
    headers = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
    headers += _encoded(answer.headers)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        if name.lower() not in _LEFT_TO_SERVER:
            yield name.lower().encode("latin-1"), str(value).encode("utf-8", "surrogateescape")


_LEFT_TO_SERVER = FRAMING - {"upgrade"}
# The server decides on these, and HTTP/2 and 3 forbid those that concern a connection (RFC 9113,
# section 8.2.2). Without Upgrade a 426 would be invalid (RFC 9110, section 15.5.22).


async def refuse_websocket(scope: Scope, send: Send, answer: HTTPResponse) -> None:
    """Refuse a handshake: with the response where the server can, else with its plain 403."""
    if "websocket.http.response" in scope.get("extensions", {}):
        for event in response_events(answer):
            await send({**event, "type": "websocket." + event["type"]})
    else:
        await send(close_event(POLICY_VIOLATION, b"refused"))
