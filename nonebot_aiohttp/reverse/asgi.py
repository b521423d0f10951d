"""The ASGI 3 face of the endpoints (https://asgi.readthedocs.io), lifespan included."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any

from multidict import CIMultiDict

from ..drivers import HTTPRequest, HTTPResponse
from ..lifespan import Lifespan, State
from ..log import log_exception, logger
from ..options import DriverOptions
from ..sockets import POLICY_VIOLATION
from ..tasks import EAGER
from .asgi_socket import AsgiSocket, Event, Receive, Send
from .headers import LoweredNames
from .interface import (
    Mismatch,
    Reachable,
    Refused,
    body_too_large,
    body_too_slow,
    upgrade_required,
)

Scope = MutableMapping[str, Any]

MOST_DIGITS = 18
"""Digits of the longest length of a body that is read; a longer one is too large anyway."""

_ENDED = object()


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
        kind = scope["type"]
        if kind == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        if self._lifespan.state is State.IDLE:
            self._tell_not_started()
        if kind == "websocket":
            await self._serve_websocket(scope, receive, send)
        elif kind == "http":
            # Few coroutines: each one more between server and adapter costs what routing costs.
            endpoints = self._endpoints
            target: Any = endpoints.find(local_path(scope), scope["method"], False)
            if target is None or isinstance(target, Mismatch) or target.is_websocket:
                answer = self._turn_away(target)
            else:
                request = http_request(scope, endpoints)
                read = partial(read_body, receive, self._options, request)
                answer = await endpoints.http(target, request, read)
            start, body = response_events(answer)
            await send(start)
            await send(body)

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

    def _turn_away(self, target: Any) -> HTTPResponse:
        """Refuse what is for no HTTP endpoint, or comes with the wrong method."""
        if target is None:
            return Refused(404, "not found").response
        if isinstance(target, Mismatch):
            return self._endpoints.refuse_method(target)
        return self._endpoints.refuse(target, upgrade_required())

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        if not self._told:
            self._told = True
            logger.error(
                "A request arrived before the driver was started: the ASGI host sends no lifespan"
                " events, so run `async with driver.lifespan()` in its own lifespan"
            )


async def read_body(receive: Receive, options: DriverOptions, request: HTTPRequest) -> bytes:
    """Read the whole body; where Python has eager tasks, only one that is not there gets a timer.

    Args:
        receive: ASGI's receive.
        options: The driver's settings.
        request: Whose body it is.

    Returns:
        The body.

    Raises:
        Refused: It is too large, or too slow, or its sender is gone.
    """
    chunks: list[bytes] = []
    collecting = _collect(receive, options.max_body_size, chunks)
    if not EAGER:
        await _in_time(collecting, options, request)
    else:
        steps = collecting.__await__()
        waits_for = next(steps, _ENDED)
        if waits_for is not _ENDED:
            await _in_time(_Rest(steps, waits_for), options, request)
    return b"".join(chunks)


async def _collect(receive: Receive, limit: int, chunks: list[bytes]) -> None:
    room, more = limit, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Refused(400, "the client went away before the body was complete")
        chunk: bytes = event.get("body", b"")
        room -= len(chunk)
        if room < 0:
            raise body_too_large(limit)
        chunks.append(chunk)
        more = event.get("more_body", False)


class _Rest(Generator[Any, Any, None]):
    """What is left of a coroutine that was stepped by hand up to its first wait.

    Whoever awaits it waits for the same, in the same task, as if that coroutine were just awaited.
    """

    def __init__(self, steps: Generator[Any, Any, None], waits_for: Any) -> None:
        self._steps = steps
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def send(self, value: Any) -> Any:
        waits_for, self._waits_for = self._waits_for, _ENDED
        return self._steps.send(value) if waits_for is _ENDED else waits_for

    def throw(self, *error: Any) -> Any:
        return self._steps.throw(*error)


async def _in_time(
    reading: Coroutine[Any, Any, None] | _Rest, options: DriverOptions, request: HTTPRequest
) -> None:
    """Wait for a body as long as it may take: not at all if it is declared too large."""
    limit, seconds = options.max_body_size, options.body_timeout
    length = request.headers.get("content-length", "")
    # Python reads no number of thousands of digits.
    if length.isdecimal() and (len(length) > MOST_DIGITS or int(length) > limit):
        reading.close()
        raise body_too_large(limit)
    try:
        await asyncio.wait_for(reading, seconds)
    except asyncio.TimeoutError:
        raise body_too_slow(seconds) from None


def local_path(scope: Scope) -> str:
    """Find the path below where the application is mounted.

    ASGI has ``path`` include ``root_path``; servers and frameworks of before 2023 left it out.

    Args:
        scope: The connection's scope.

    Returns:
        The path below ``root_path``.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root:
        return path
    root = root.rstrip("/")
    return path[len(root) :] if path.startswith(root + "/") else path


_DECODED: LoweredNames[bytes] = LoweredNames()


def read_headers(raw: Iterable[tuple[bytes, bytes]], endpoints: Reachable) -> Any:
    """Read the headers of a scope.

    Args:
        raw: The scope's pairs, which a server may give as any iterable.
        endpoints: Whose kind of headers is wanted.

    Returns:
        The headers.
    """
    if type(raw) is not list:
        raw = list(raw)
    decoded = _DECODED
    if endpoints.plain_headers:
        try:
            headers = {decoded[name]: value.decode() for name, value in raw}
        except UnicodeDecodeError:
            headers = {}
        if len(headers) == len(raw):
            return headers
    pairs = [(decoded[name], value.decode("utf-8", "surrogateescape")) for name, value in raw]
    return endpoints.headers(CIMultiDict(pairs))


def http_request(scope: Scope, endpoints: Reachable) -> HTTPRequest:
    """Make the contract's request of a scope, without its body.

    Args:
        scope: The connection's scope.
        endpoints: Whose kind of headers is wanted.

    Returns:
        The request.
    """
    return HTTPRequest(
        scope.get("http_version", "1.1"),
        scope.get("scheme") or "http",
        scope["path"],
        scope.get("query_string", b""),
        read_headers(scope["headers"], endpoints),
        scope["method"],
    )


def response_events(answer: HTTPResponse) -> tuple[Event, Event]:
    """Say a response in ASGI's events, made anew each time: middleware adds headers to them.

    Args:
        answer: The response; one of another framework that has the same attributes serves.

    Returns:
        Its start and its body.
    """
    status, body = answer.status, answer.body or b""
    if isinstance(body, str):
        body = body.encode()
    # RFC 9110, section 8.6: not with 1xx and 204.
    bodiless = status < 200 or status == 204
    headers = [] if bodiless else [(b"content-length", b"%d" % len(body) if body else b"0")]
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
