"""The ASGI 3 face of the endpoints (https://asgi.readthedocs.io), lifespan included."""

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
from typing import Any
from urllib.parse import unquote

from ..drivers import HTTPRequest, HTTPResponse
from ..lifespan import Lifespan, State
from ..log import log_exception, logger
from ..options import DriverOptions
from ..sockets import POLICY_VIOLATION
from .asgi_socket import AsgiSocket, Event, Receive, Send
from .bodies import BodyReader
from .interface import (
    Mismatch,
    Reachable,
    Refused,
    decoded,
    upgrade_required,
)

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


class AsgiFace:
    """Serves the endpoints of a driver over ASGI: an ASGI 3 application."""

    def __init__(
        self,
        endpoints: Reachable,
        lifespan: Lifespan,
        options: DriverOptions,
        bodies: BodyReader,
    ) -> None:
        """Take what answers."""
        self._bodies = bodies
        self._endpoints = endpoints
        self._lifespan = lifespan
        self._options = options
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan.

        Args:
            scope: What the connection is.
            receive: ASGI's receive.
            send: ASGI's send.
        """
        if scope["type"] == "http":
            for event in response_events(await self._answer(scope, receive)):
                await send(event)
        elif scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> HTTPResponse:
        self._tell_not_started()
        path = scope["path"]
        if scope.get("root_path") or b"%" in (scope.get("raw_path") or b""):
            path = local_path(scope)
        target: Any = self._endpoints.find(path, scope["method"], False)
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
            receiving = Begun(receive())
            if receiving.has_ended and is_whole(receiving.result):
                # A body that has arrived as a whole, as most have, needs no timer.
                request.body = bytes(receiving.result.get("body", b""))
                self._bodies.check_size(len(request.body))
            else:
                request.body = await self._bodies.read(_chunks_of(receiving, receive))
        except Refused as refused:
            return self._endpoints.refuse(target, refused)
        return await self._endpoints.http(target, request)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._lifespan.start()
        except Exception as error:
            log_exception("ERROR", "The driver could not start", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._lifespan.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._tell_not_started()
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        socket = AsgiSocket(
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

    def _tell_not_started(self) -> None:
        """Log once that the driver was not started, if it was not."""
        if self._lifespan.state is State.IDLE and not self._told:
            self._told = True
            logger.error(
                "A request arrived before the driver was started: the ASGI host sends no lifespan"
                " events, so run `async with driver.lifespan()` in its own lifespan"
            )


class Begun:
    """An awaitable that has run up to its first wait, in the task that goes on with it if it must.

    Attributes:
        has_ended: Whether it had to wait for nothing.
        result: What it has returned then.
    """

    def __init__(self, awaitable: Awaitable[Event]) -> None:
        """Let it run."""
        self.has_ended = False
        self.result: Event = {}
        # As `await` does it (PEP 492).
        self._steps: Any = awaitable.__await__()
        try:
            self._waits_for = next(self._steps)
        except StopIteration as end:
            self.has_ended, self.result = True, end.value

    def __await__(self) -> Generator[Any, Any, Event]:
        if self.has_ended:
            return self.result
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


def is_whole(event: Event) -> bool:
    """Tell whether an event holds the whole of a body.

    Args:
        event: What ASGI's receive has returned.
    """
    return event["type"] == "http.request" and not event.get("more_body")


def _chunks_of(receiving: Begun, receive: Receive) -> Callable[[], Awaitable[bytes | None]]:
    """Read on from what is being received."""
    coming: Awaitable[Event] | None = receiving
    more = True

    async def next_chunk() -> bytes | None:
        nonlocal coming, more
        if not more:
            return None
        event = await (coming or receive())
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


def read_headers(raw: Iterable[tuple[bytes, bytes]], endpoints: Reachable) -> Any:
    """Read the headers of a scope.

    Args:
        raw: The scope's pairs, which a server may give as any iterable.
        endpoints: Whose kind of headers is wanted.

    Returns:
        The headers.
    """
    return endpoints.headers(
        [(str(name, "latin-1"), str(value, "utf-8", "surrogateescape")) for name, value in raw]
    )


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
