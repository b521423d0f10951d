"""The ASGI 3 face of the endpoints (https://asgi.readthedocs.io), lifespan included."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import Any, NoReturn

from ..drivers import HTTPRequest, HTTPResponse
from ..exceptions import ReceiveConflict, WebSocketClosed, WebSocketNotAccepted
from ..lifespan import Lifespan, State
from ..log import log_exception, logger
from ..options import DriverOptions
from ..sockets import ABNORMAL, Deliver, Socket, fitting
from ..tasks import Stopped, promptly, race
from ..turns import Turns
from .interface import Reachable, Refused, body_too_large, body_too_slow, upgrade_required

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        target = self._endpoints.find(local_path(scope), scope["method"], False)
        if target is None:
            return Refused(404, "not found").response
        if isinstance(target, frozenset):
            allowed = ", ".join(sorted(target))
            return Refused(405, "method not allowed", allow=allowed).response
        if target.is_websocket:
            return upgrade_required().response
        fields = connection_fields(scope, self._endpoints)
        request = HTTPRequest(**fields, method=scope["method"])

        async def read_body() -> bytes:
            return await self._read_body(request, receive)

        return await self._endpoints.http(target, request, read_body)

    async def _read_body(self, request: HTTPRequest, receive: Receive) -> bytes:
        """Read the body, as the aiohttp face does.

        Raises:
            Refused: It is too large, or too slow, or its sender is gone.
        """
        limit, timeout = self._options.max_body_size, self._options.body_timeout
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise body_too_large(limit)
        try:
            body: bytes = await promptly(collect_body(receive, limit), timeout)
            return body
        except asyncio.TimeoutError:
            raise body_too_slow(timeout) from None

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        fields = connection_fields(scope, self._endpoints)
        socket = AsgiSocket(receive, send, self._options, **fields)
        target = self._endpoints.find(local_path(scope), "GET", True)
        answer: HTTPResponse | None = Refused(404, "not found").response
        if target is not None and not isinstance(target, frozenset) and target.is_websocket:
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


class AsgiSocket(Socket):
    """A WebSocket that an ASGI server carries; heartbeat and limits are the server's."""

    def __init__(
        self, receive: Receive, send: Send, options: DriverOptions, **connection: Any
    ) -> None:
        """Wrap a connection whose ``websocket.connect`` has been received.

        Args:
            receive: ASGI's receive.
            send: ASGI's send.
            options: The driver's settings.
            **connection: The fields of ``HTTPConnection``.
        """
        super().__init__(**connection)
        self._receive_event = receive
        self._send_event = send
        self._close_timeout = options.close_timeout
        self._accepted = False
        self._ended: WebSocketClosed | None = None
        self._reading = self._pumping = False
        self._gone = asyncio.Event()

    @property
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""
        return self._accepted

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; False before it was accepted."""
        return self._ended is not None

    async def accept(self) -> None:
        """Accept the connection.

        Raises:
            WebSocketClosed: The peer has gone meanwhile.
        """
        if self._ended is not None:
            raise self._ended
        if not self._accepted:
            self._accepted = True
            await self._emit({"type": "websocket.accept"})

    async def send(self, data: str) -> None:
        """Send one text message; see ``AiohttpSocket.send``."""
        self._must_be_open()
        await self._emit({"type": "websocket.send", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message; see ``AiohttpSocket.send_bytes``."""
        self._must_be_open()
        await self._emit({"type": "websocket.send", "bytes": bytes(data)})

    async def receive_frame(self) -> str | bytes:
        """Receive one message as the kind that it is; see ``Socket.receive_frame``."""
        self._claim_reader()
        try:
            message: str | bytes = await self._until_gone(self._next_message())
            return message
        finally:
            self._reading = False

    async def pump(self, deliver: Deliver) -> NoReturn:
        """Read until the end and deliver each message; see ``Socket.pump``."""
        self._claim_reader()
        self._pumping = True
        try:
            await self._until_gone(self._deliver_all(deliver))
            raise self._ending()
        finally:
            self._reading = self._pumping = False

    async def is_alive(self, timeout: float) -> bool:
        """Tell that nothing is known: ASGI has no ping. So the newest connection wins."""
        return False

    async def end(self, code: int, reason: str = "") -> None:
        """Close with a reason; see ``Socket.end``."""
        if self._ended is not None:
            return
        self._ended = WebSocketClosed(code, reason or "closed by this side")
        if self._accepted:
            await self._send_close(code, reason)
        self._gone.set()

    async def _send_close(self, code: int, reason: str) -> None:
        event = {"type": "websocket.close", "code": code, "reason": fitting(reason).decode()}
        try:
            # A server may wait for a peer that does not read.
            await asyncio.wait_for(self._send_event(event), self._close_timeout)
        except Exception as error:
            # Each server has its own error for a connection that has gone meanwhile.
            logger.debug("Closing a WebSocket that is gone: {}", type(error).__name__)

    def abort(self, reason: str) -> None:
        """End the reader, which closes the connection; dropping it is the server's."""
        if self._ended is None:
            self._ended = WebSocketClosed(ABNORMAL, reason)
        self._gone.set()

    def _must_be_open(self) -> None:
        if self._ended is not None:
            raise self._ended
        if not self._accepted:
            raise WebSocketNotAccepted("The WebSocket is not accepted yet: await accept() first")

    async def _emit(self, event: Event) -> None:
        try:
            await self._send_event(event)
        except Exception as error:
            # Each server has its own error for a connection that has gone meanwhile.
            if self._ended is None:
                self._ended = WebSocketClosed(ABNORMAL, f"cannot send: {type(error).__name__}")
            raise self._ended from error

    def _claim_reader(self) -> None:
        self._must_be_open()
        if self._reading:
            who = "the driver's reader" if self._pumping else "another task"
            raise ReceiveConflict(f"Cannot receive: {who} receives on this WebSocket already")
        self._reading = True

    async def _until_gone(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Read, but no longer than until this side ends the connection."""
        try:
            return await race(coroutine, self._gone)
        except Stopped:
            ended = self._ending()
        if ended.code == ABNORMAL:
            # abort() cannot wait; and no server lets the application choose 1006.
            await self._emit({"type": "websocket.close", "code": 1008, "reason": ended.reason})
        raise ended

    async def _deliver_all(self, deliver: Deliver) -> NoReturn:
        turns = Turns()
        while True:
            message = await self._next_message()
            deliver(message.encode() if isinstance(message, str) else message)
            await turns.count()

    async def _next_message(self) -> str | bytes:
        event = await self._receive_event()
        if event["type"] == "websocket.disconnect":
            code, reason = event.get("code") or 1005, event.get("reason") or ""
            self._ended = self._ended or WebSocketClosed(code, reason)
            raise self._ended
        text: str | None = event.get("text")
        if text is not None:
            return text
        data: bytes = event["bytes"]
        return data

    def _ending(self) -> WebSocketClosed:
        return self._ended or WebSocketClosed(ABNORMAL, "the connection is gone")


async def collect_body(receive: Receive, limit: int) -> bytes:
    """Collect a request's body from its events.

    Args:
        receive: ASGI's receive.
        limit: Bytes that it may have.

    Returns:
        The body.

    Raises:
        Refused: It is too large, or its sender is gone.
    """
    chunks, size, more = [], 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Refused(400, "the client went away before the body was complete")
        chunk = event.get("body", b"")
        more = event.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise body_too_large(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


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


def connection_fields(scope: Scope, endpoints: Reachable) -> dict[str, Any]:
    """Read the fields of the contract's ``HTTPConnection`` off a scope.

    Args:
        scope: The connection's scope.
        endpoints: Whose kind of headers is wanted.

    Returns:
        The fields by their names.
    """
    default = "ws" if scope["type"] == "websocket" else "http"
    return {
        "http_version": scope.get("http_version", "1.1"),
        "scheme": scope.get("scheme") or default,
        "path": scope["path"],
        "query_string": scope.get("query_string", b""),
        "headers": endpoints.headers(
            [
                (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
                for name, value in scope["headers"]
            ]
        ),
    }


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
    headers = [(b"content-length", b"%d" % len(body))]
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
