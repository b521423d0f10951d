"""The ASGI 3 face of the endpoints (https://asgi.readthedocs.io), lifespan included."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import Any

from ..drivers import HTTPRequest, HTTPResponse
from ..lifespan import Lifespan, State
from ..log import log_exception, logger
from ..options import DriverOptions
from ..tasks import start_task
from .asgi_socket import AsgiSocket, Event, Receive, Send
from .interface import (
    ConnectionFields,
    Mismatch,
    Reachable,
    Refused,
    body_too_large,
    body_too_slow,
    named,
    upgrade_required,
)

Scope = MutableMapping[str, Any]


class AsgiApp:
    """An ASGI 3 application that serves the endpoints of a driver."""

    def __init__(self, endpoints: Reachable, lifespan: Lifespan, options: DriverOptions) -> None:
        """Take what answers.

        Args:
            endpoints: The endpoints.
            lifespan: Started and stopped by the server's lifespan events, where it sends them.
            options: The driver's settings.
        """
        self._endpoints = endpoints
        self._lifespan = lifespan
        self._options = options
        self._told = False

    # mutmut would wrap it in a function, which uvicorn takes for a factory.
    async def __call__(  # pragma: no mutate block
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        if self._lifespan.state is State.IDLE:
            self._tell_not_started()
        if scope["type"] == "http":
            await send_response(send, await self._answer(scope, receive))
        elif scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)

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

    async def _answer(self, scope: Scope, receive: Receive) -> HTTPResponse:
        endpoints = self._endpoints
        target: Any = endpoints.find(local_path(scope), scope["method"], False)
        if target is None:
            return Refused(404, "not found").response
        if isinstance(target, Mismatch):
            known = endpoints.is_served(target.target)
            refused = target.refused() if known else Refused(404, "not found")
            return endpoints.refuse(target.target, refused)
        if target.is_websocket:
            return endpoints.refuse(target, upgrade_required())
        fields = connection_fields(scope, endpoints)
        body = RequestBody(receive, self._options, fields[-1].get("content-length", ""))
        request = HTTPRequest(*fields, scope["method"], body.at_hand())
        try:
            return await endpoints.http(target, request, body.read if body.is_open else None)
        finally:
            body.leave()

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        fields = connection_fields(scope, self._endpoints)
        socket = AsgiSocket(receive, send, self._options, **named(fields))
        target = self._endpoints.find(local_path(scope), "GET", True)
        answer: HTTPResponse | None = Refused(404, "not found").response
        if target is not None and not isinstance(target, Mismatch) and target.is_websocket:
            answer = await self._endpoints.websocket(target, socket)
        if answer is not None:
            await refuse_websocket(scope, send, answer)

    def _tell_not_started(self) -> None:
        if not self._told:
            self._told = True
            logger.error(
                "A request arrived before the driver was started: the ASGI host sends no lifespan"
                " events, so run `async with driver.lifespan()` in its own lifespan"
            )


class RequestBody:
    """The body of a request, whose first event is asked for at once: mostly it holds all.

    Only a body that is not there yet gets a timer.
    """

    def __init__(self, receive: Receive, options: DriverOptions, length: str) -> None:
        """Ask for the first event.

        Args:
            receive: ASGI's receive.
            options: The driver's settings.
            length: The ``Content-Length`` that is declared; empty when none is.
        """
        self._length = length
        self._receive = receive
        self._limit = options.max_body_size
        self._timeout = options.body_timeout
        self._first = start_task(_event(receive))
        self.is_open = True

    def at_hand(self) -> bytes:
        """Take the body if it is there as a whole; empty while it has to be read."""
        if not self._first.done() or self._first.exception() is not None:
            return b""
        event = self._first.result()
        body: bytes = event.get("body", b"")
        whole = event["type"] == "http.request" and not event.get("more_body", False)
        if not whole or len(body) > self._limit:
            return b""
        self.is_open = False
        return body

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            Refused: It is too large, or too slow, or its sender is gone.
        """
        if self._length.isdecimal() and int(self._length) > self._limit:
            raise body_too_large(self._limit)
        try:
            return await asyncio.wait_for(self._collect(), self._timeout)
        except asyncio.TimeoutError:
            raise body_too_slow(self._timeout) from None

    def leave(self) -> None:
        """Ask for no more of it."""
        if not self._first.done():
            self._first.cancel()

    async def _collect(self) -> bytes:
        chunks, size, event = [], 0, await self._first
        while True:
            if event["type"] == "http.disconnect":
                raise Refused(400, "the client went away before the body was complete")
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > self._limit:
                raise body_too_large(self._limit)
            chunks.append(chunk)
            if not event.get("more_body", False):
                return b"".join(chunks)
            event = await self._receive()


async def _event(receive: Receive) -> Event:
    return await receive()


def local_path(scope: Scope) -> str:
    """Find the path below where the application is mounted.

    ASGI has ``path`` include ``root_path``; servers and frameworks of before 2023 left it out.

    Args:
        scope: The connection's scope.

    Returns:
        The path below ``root_path``.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def connection_fields(scope: Scope, endpoints: Reachable) -> ConnectionFields:
    """Read the fields of the contract's ``HTTPConnection`` off a scope.

    Args:
        scope: The connection's scope.
        endpoints: Whose kind of headers is wanted.

    Returns:
        The fields.
    """
    pairs = [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, value in scope["headers"]
    ]
    default = "ws" if scope["type"] == "websocket" else "http"
    return (
        scope.get("http_version", "1.1"),
        scope.get("scheme") or default,
        scope["path"],
        scope.get("query_string", b""),
        endpoints.headers(pairs),
    )


async def send_response(send: Send, answer: HTTPResponse, prefix: str = "http") -> None:
    """Send a response.

    Args:
        send: ASGI's send.
        answer: The response; one of another framework that has the same attributes serves.
        prefix: ``"http"``, or ``"websocket.http"`` for the refusal of a WebSocket.
    """
    body = answer.body or b""
    if isinstance(body, str):
        body = body.encode()
    # RFC 9110, section 8.6: not with 1xx and 204.
    bodiless = answer.status < 200 or answer.status == 204
    headers = [] if bodiless else [(b"content-length", b"%d" % len(body))]
    if answer.headers:
        headers += _encoded(answer.headers)
    start = {"type": prefix + ".response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": prefix + ".response.body", "body": body})


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
        await send_response(send, answer, "websocket.http")
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
