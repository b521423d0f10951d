"""The ASGI 3 face of the endpoints (https://asgi.readthedocs.io), lifespan included."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from multidict import CIMultiDict

from ..drivers import HTTPRequest, HTTPResponse
from ..lifespan import Lifespan, State
from ..log import log_exception, logger
from ..options import DriverOptions
from ..sockets import POLICY_VIOLATION
from .asgi_body import BodyReader
from .asgi_socket import AsgiSocket, Receive, Send
from .headers import LoweredNames
from .interface import (
    ACKNOWLEDGED,
    Mismatch,
    Reachable,
    Refused,
    new_request,
    upgrade_required,
)

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


class AsgiFace:
    """Serves the endpoints of a driver over ASGI."""

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

    def application(self) -> Application:
        """Make the ASGI 3 application.

        Returns:
            A function, which Python calls faster than an object. A framework that mounts it takes
            it for an application, one that routes to it for a view.
        """
        # What every request needs, at hand.
        endpoints, lifespan = self._endpoints, self._lifespan
        webhooks, read_body = endpoints.webhooks, BodyReader(self._options).read

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            """Serve one connection, or the lifespan."""
            if scope["type"] != "http":
                await self._serve_other(scope, receive, send)
                return
            path, method = scope["path"], scope["method"]
            if scope.get("root_path"):
                path = local_path(scope)
            target: Any = webhooks.get(path) if method == "POST" else None
            answer: HTTPResponse | None = None
            if target is None or not lifespan.running:
                target, answer = self._find(path, method)
            if answer is None:
                headers = read_headers(scope["headers"], endpoints)
                request = new_request(HTTPRequest)
                request.http_version = scope.get("http_version", "1.1")
                request.scheme = scope.get("scheme") or "http"
                request.path = scope["path"]
                request.query_string = scope.get("query_string", b"")
                request.headers = headers
                request.method = method
                try:
                    request.body = await read_body(headers, receive)
                except Refused as refused:
                    answer = endpoints.refuse(target, refused)
                else:
                    answer = await endpoints.http(target, request)
            if answer is not ACKNOWLEDGED:
                start, body = response_events(answer)
            else:
                # As response_events() says it, but copied: nearly every event gets this.
                start, body = _START.copy(), _BODY.copy()
                start["headers"] = [(b"content-length", b"0")]
            await send(start)
            await send(body)

        return application

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            self._tell_not_started()
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

    def _find(self, path: str, method: str) -> tuple[Any, HTTPResponse | None]:
        """Find what a request is for that no known webhook can take.

        Returns:
            The target; and the response to what is refused before its headers are read.
        """
        self._tell_not_started()
        target: Any = self._endpoints.find(path, method, False)
        if target is None:
            return target, Refused(404, "not found").response
        if isinstance(target, Mismatch):
            return target, self._endpoints.refuse_method(target)
        if target.is_websocket:
            return target, self._endpoints.refuse(target, upgrade_required())
        return target, self._endpoints.unavailable(target)

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
        """Log once that the driver was not started, if it was not."""
        if self._lifespan.state is State.IDLE and not self._told:
            self._told = True
            logger.error(
                "A request arrived before the driver was started: the ASGI host sends no lifespan"
                " events, so run `async with driver.lifespan()` in its own lifespan"
            )


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


_NAMES: LoweredNames[bytes] = LoweredNames()


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
    if endpoints.plain_headers:
        known = _NAMES.known
        try:
            headers = {known[name]: value.decode() for name, value in raw}
        except (KeyError, UnicodeDecodeError):
            headers = {}
        if len(headers) == len(raw):
            return headers
    pairs = [(_NAMES.lower(name), value.decode("utf-8", "surrogateescape")) for name, value in raw]
    return endpoints.headers(CIMultiDict(pairs))


def response_events(answer: HTTPResponse) -> tuple[dict[str, Any], dict[str, Any]]:
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
    headers = [] if bodiless else [(b"content-length", b"%d" % len(body))]
    if answer.headers:
        headers += _encoded(answer.headers)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        # HTTP/2 and 3 have no such header (RFC 9113, section 8.2.2); the server decides.
        if name.lower() not in ("connection", "content-length"):
            yield name.lower().encode("latin-1"), str(value).encode("utf-8", "surrogateescape")


_START, _BODY = response_events(ACKNOWLEDGED)


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
