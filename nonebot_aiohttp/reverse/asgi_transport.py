"""``AsgiTransport``: the endpoints behind ASGI 3 (https://asgi.readthedocs.io)."""

from __future__ import annotations

from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..connections.asgi_websocket import AsgiWebSocket, Event, Receive, Send
from ..connections.closing import POLICY_VIOLATION
from ..drivers import HTTPRequest, HTTPResponse
from ..options import DriverOptions
from .bodies import BodyReader
from .endpoints import Endpoints, Mismatch, Refused, decoded, is_exact, upgrade_required

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
        """Take what answers.

        Args:
            endpoints: The endpoints.
            options: The driver's settings.
            bodies: Reads the bodies of webhooks.
            guest: The application behind the endpoints' own paths, if there is one.
        """
        self._endpoints = endpoints
        self._options = options
        self._bodies = bodies
        self._guest = guest

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or one WebSocket.

        Args:
            scope: What the connection is.
            receive: ASGI's receive.
            send: ASGI's send.
        """
        if self._guest is not None and self._is_for(self._guest, scope):
            await self._serve_guest(self._guest, scope, receive, send)
        elif scope["type"] == "http":
            start, body = response_events(await self._answer(scope, receive))
            await send(start)
            await send(body)
        else:
            await self._serve_websocket(scope, receive, send)

    def _is_for(self, guest: Guest, scope: Scope) -> bool:
        upgrade = scope["type"] == "websocket"
        method = "GET" if upgrade else scope["method"]
        found = self._endpoints.find(local_path(scope), method, upgrade)
        return found is None or (not is_exact(found, upgrade) and guest.has_route(scope))

    async def _serve_guest(self, guest: Guest, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = guest.refusal()
        if refusal is None:
            await guest.app(guest.with_state(scope), receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await refuse_websocket(scope, send, refusal)
        else:
            for event in response_events(refusal):
                await send(event)

    async def _answer(self, scope: Scope, receive: Receive) -> HTTPResponse:
        target: Any = self._endpoints.find(local_path(scope), scope["method"], False)
        if target is None:
            return Refused(404, "not found").response
        if isinstance(target, Mismatch):
            return self._endpoints.refuse_method(target)
        if target.is_websocket:
            return self._endpoints.refuse(target, upgrade_required())
        request = HTTPRequest(
            scope.get("http_version", "1.1"),
            scope.get("scheme") or "http",
            scope["path"],
            scope.get("query_string", b""),
            read_headers(scope["headers"], self._endpoints),
            scope["method"],
        )
        refusal = self._endpoints.unavailable(target, request)
        if refusal is not None:
            return refusal
        try:
            self._bodies.check_declared(request.headers)
            # What is begun is ended: middleware may have opened something in it.
            event = begin(receive())
            if isinstance(event, Rest) or event.get("more_body") or "body" not in event:
                request.body = await self._bodies.read(_chunks_of(event, receive))
            else:
                # It has arrived as a whole, as most have, and needs no timer.
                request.body = bytes(event["body"])
                self._bodies.check_size(len(request.body))
        except Refused as refused:
            return self._endpoints.refuse(target, refused)
        return await self._endpoints.http(target, request)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        socket = AsgiWebSocket(
            receive,
            send,
            self._options,
            http_version=scope.get("http_version", "1.1"),
            scheme=scope.get("scheme") or "ws",
            path=scope["path"],
            query_string=scope.get("query_string", b""),
            headers=read_headers(scope["headers"], self._endpoints),
        )
        target = self._endpoints.find(local_path(scope), "GET", True)
        answer: HTTPResponse | None = Refused(404, "not found").response
        if target is not None and not isinstance(target, Mismatch) and target.is_websocket:
            answer = await self._endpoints.websocket(target, socket)
        if answer is not None:
            await refuse_websocket(scope, send, answer)


class Rest:
    """What is left of an awaitable that has begun, in the task that goes on with it."""

    def __init__(self, steps: Any, waits_for: Any) -> None:
        """Take what it waits for."""
        self._steps = steps
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Event]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = self._steps.throw(error)
                else:
                    waits_for = self._steps.send(sent)
        except StopIteration as end:
            event: Event = end.value
            return event


def begin(awaitable: Awaitable[Event]) -> Event | Rest:
    """Let an awaitable run up to its first wait, as ``await`` does it (PEP 492).

    Args:
        awaitable: What nobody has awaited yet.

    Returns:
        What it has returned, if it had to wait for nothing; else the rest of it, to be awaited.
    """
    steps: Any = awaitable.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as end:
        event: Event = end.value
        return event
    return Rest(steps, waits_for)


def _chunks_of(first: Event | Rest, receive: Receive) -> Callable[[], Awaitable[bytes | None]]:
    """Read on from what is received already, or about to be."""
    coming: Event | Rest | None = first
    more = True

    async def next_chunk() -> bytes | None:
        nonlocal coming, more
        if not more:
            return None
        event = await receive() if coming is None else coming
        if isinstance(event, Rest):
            event = await event
        coming = None
        if event["type"] == "http.disconnect":
            raise Refused(400, "the client went away before the body was complete")
        more = event.get("more_body", False)
        chunk: bytes = event.get("body", b"")
        return chunk

    return next_chunk


def local_path(scope: Scope) -> str:
    """Find the path below where the application is mounted.

    ASGI has ``path`` include ``root_path``; servers and frameworks of before 2023 left it out.

    Args:
        scope: The connection's scope.

    Returns:
        The path below ``root_path``, decoded but for slashes; see ``decoded``.
    """
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    if raw and b"%" in raw:
        raw_path = raw.partition(b"?")[0].decode("latin-1")
        # Unless middleware has made another path of it.
        path = decoded(raw_path) if unquote(raw_path) == path else path
    root: str | None = scope.get("root_path")
    if not root:
        return path
    root = root.rstrip("/")
    return path[len(root) :] if path.startswith(root + "/") else path


MOST_NAMES, LONGEST_NAME = 256, 64
"""Names of headers that are kept, and the bytes of the longest: a peer may make up any number."""

_names: dict[bytes, str] = {}
# Lowercased, by the names as they come: nothing is looked up faster than in a dictionary.


def lowered(name: bytes) -> str:
    """Read the name of a header, and keep it unless it is long.

    Args:
        name: The name, lowercased by most servers (ASGI).
    """
    text = name.decode("latin-1").lower()
    if len(name) <= LONGEST_NAME:
        if len(_names) >= MOST_NAMES:
            # Some peer makes names up; those in use come back.
            _names.clear()
        _names[name] = text
    return text


def read_headers(raw: Iterable[tuple[bytes, bytes]], endpoints: Endpoints) -> Any:
    """Read the headers of a scope.

    Args:
        raw: The scope's pairs, which a server may give as any iterable.
        endpoints: Whose kind of headers is wanted.

    Returns:
        The headers.
    """
    raw = list(raw)
    try:
        pairs = [(_names[name], value.decode()) for name, value in raw]
    except (KeyError, UnicodeDecodeError):
        pairs = [(lowered(name), value.decode("utf-8", "surrogateescape")) for name, value in raw]
    return endpoints.headers(pairs)


def response_events(answer: HTTPResponse) -> tuple[dict[str, Any], dict[str, Any]]:
    """Say a response in ASGI's events, made anew each time: middleware adds headers to them.

    Args:
        answer: The response.

    Returns:
        Its start and its body.
    """
    status, body = answer.status, answer.body or b""
    # RFC 9110, section 8.6: not with 204.
    headers = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
    if answer.headers:
        headers += _encoded(answer.headers)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        # HTTP/2 and 3 have no such header (RFC 9113, section 8.2.2); the server decides.
        if name.lower() not in ("connection", "content-length"):
            yield name.lower().encode("latin-1"), str(value).encode("utf-8", "surrogateescape")


async def refuse_websocket(scope: Scope, send: Send, answer: HTTPResponse) -> None:
    """Refuse a handshake: with a real response where the server can, else with its plain 403.

    Args:
        scope: The connection's scope.
        send: ASGI's send.
        answer: The response.
    """
    if "websocket.http.response" in scope.get("extensions", {}):
        for event in response_events(answer):
            await send({**event, "type": "websocket." + event["type"]})
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "refused"})
