"""One HTTP request that a guest answers: ASGI's ``receive`` and ``send`` over aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from ...connections.asgi_websocket import Event
from ...connections.schemes import HTTP_SCHEMES, websocket_scheme
from ...connections.unsent import reset
from ...life.waiting import Stopped, race
from ..aiohttp_transport import read_fields
from ..answers import BODILESS, FRAMING
from ..untyped import UntypedStream

EVENT_STREAM = "text/event-stream"
"""Type of a response without an end of its own (the HTML standard, section 9.2)."""

ASGI = {"version": "3.0", "spec_version": "2.3"}
"""What the scope says of ASGI, as uvicorn's does. With 2.4, Starlette would notice only at the next
``send`` that the client has left, and would never close a generator that has nothing to send."""

_DISCONNECTED = "http.disconnect"


Client = tuple[str, int] | None
"""Address and port of a peer; None where the transport has no address."""


def make_scope(request: web.Request, kind: str, root_path: str) -> dict[str, Any]:
    """Describe a request as ASGI does, whose ``path`` includes ``root_path``."""
    scheme, client = request.scheme, _client_of(request)
    if _is_from_here(request):
        scheme, client = forwarded(request, scheme, client)
    raw_path = request.rel_url.raw_path.encode("utf-8", "surrogateescape")
    scope = {
        **read_fields(request, [(name.lower(), value) for name, value in request.raw_headers]),
        "type": kind,
        "asgi": dict(ASGI),
        "scheme": scheme,
        # Unlike aiohttp's path it keeps nothing encoded, not even what is not UTF-8.
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "root_path": root_path,
        "client": client,
        "server": _server_of(request),
    }
    if kind == "http":
        return {**scope, "method": request.method, "extensions": {}}
    return {
        **scope,
        "scheme": websocket_scheme(scheme),
        "subprotocols": _subprotocols_of(request),
        "extensions": {"websocket.http.response": {}},
    }


def _subprotocols_of(request: web.Request) -> list[str]:
    """List the subprotocols that a client offers (RFC 6455, section 11.3.4), in its order."""
    offers = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return [offer.strip() for offer in offers.split(",") if offer.strip()]


def _client_of(request: web.Request) -> Client:
    """Name the peer; one that middleware has read from a header has no port."""
    peer, remote = request.get_extra_info("peername"), request.remote
    if not remote:
        return None
    known = isinstance(peer, tuple) and peer[0] == remote
    return remote, peer[1] if known else 0


def _is_from_here(request: web.Request) -> bool:
    """Tell whether the peer runs on this machine: nginx, say, over TCP or a Unix socket."""
    peer = request.get_extra_info("peername")
    return _is_loopback(peer[0]) if isinstance(peer, tuple) else request.transport is not None


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def forwarded(request: web.Request, scheme: str, client: Client) -> tuple[str, Client]:
    """Read from a proxy's headers the scheme and the peer that it has seen, as uvicorn does.

    Pages link to their own URLs by them. The proxy runs on this machine and is trusted. Of several
    peers the last one that is not a proxy of this machine counts, because clients can make up those
    before it.
    """
    said = request.headers.get("X-Forwarded-Proto", "").strip().lower()
    peers = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",")]
    peers = [each for each in peers if each]
    for each in reversed(peers):
        client = each, 0
        if not _is_loopback(each):
            break
    return (said if said in HTTP_SCHEMES else scheme), client


def _server_of(request: web.Request) -> tuple[str, int | None] | None:
    name = request.get_extra_info("sockname")
    if isinstance(name, tuple):
        return name[0], name[1]
    return (str(name), None) if name else None


class Answer:
    """A response that is sent part by part.

    Attributes:
        response: aiohttp's response, once its head was sent.
        complete: Whether all of it was sent.
        lost: Whether the client takes no more of it.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._declared: int | None = None
        self.response: web.StreamResponse | None = None
        self.complete = False
        self.lost = False

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the head; framing headers other than ``Content-Length`` are aiohttp's business.

        Raises:
            RuntimeError: The head was sent already.
            ValueError: A header cannot be sent.
        """
        if self.response is not None:
            raise RuntimeError("The head of this response was sent already")
        response, bodiless = UntypedStream(status=status), self._is_bodiless(status)
        for raw_name, raw_value in headers:
            name, value = _text(raw_name).lower(), _text(raw_value)
            if name == "content-length" and not bodiless:
                self._declared = int(value)
            if name == "connection" and value.lower() == "close":
                response.force_close()
            if name not in FRAMING or name == "content-length":
                response.headers.add(name, value)
        await self._send(response.prepare, self._request)
        self.response = response

    async def body(self, data: bytes, more: bool) -> None:
        """Send a part of the body, and wait until there is room for more.

        Raises:
            RuntimeError: The head is missing, all was sent already, or the length does not match
                the guest's ``Content-Length``.
        """
        if self.response is None or self.complete:
            raise RuntimeError("This response has not begun, or has ended")
        if self._is_bodiless(self.response.status):
            data = b""
        self._count(len(data), more)
        if not more:
            await self._send(self.response.write_eof, data)
            self.complete = True
        elif data:
            await self._send(self.response.write, data)

    def _is_bodiless(self, status: int) -> bool:
        return self._request.method == hdrs.METH_HEAD or status in BODILESS

    def _count(self, size: int, more: bool) -> None:
        if self._declared is None:
            return
        self._declared -= size
        if self._declared < 0 or (self._declared and not more):
            kind = "longer" if self._declared < 0 else "shorter"
            raise RuntimeError(f"The body is {kind} than its Content-Length")

    async def _send(self, send: Callable[[Any], Any], argument: Any) -> None:
        if not self.lost:
            try:
                await send(argument)
                return
            except (ConnectionError, aiohttp.ClientConnectionError):
                self.lost = True
        # Otherwise an application that sends without a pause would block the event loop.
        await asyncio.sleep(0)

    def cut(self) -> None:
        """End the connection, so that the client does not take a part for the whole response."""
        self.lost = True
        transport = self._request.transport
        if transport is None:
            return
        if self._declared is None and self._request.version < aiohttp.HttpVersion11:
            # In HTTP/1.0 an orderly end of the connection would be the end of the body.
            reset(transport, transport.abort)
        else:
            transport.close()


def _text(raw: bytes) -> str:
    # aiohttp sends UTF-8.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class HttpExchange:
    """What an ASGI application receives and sends for one HTTP request.

    Attributes:
        over: Set when the response is complete, the client has left, or the application has ended.
        task: Runs the application; None before it has begun.
    """

    def __init__(
        self,
        request: web.Request,
        on_stream: Callable[[HttpExchange], object],
        silence: float | None = None,
    ) -> None:
        """Begin without an answer.

        Args:
            on_stream: Called with the exchange when its response turns out to be an event stream.
            silence: Seconds that a part of the body may be waited for; None means no limit.
        """
        self._silence = silence
        self._request = request
        self._on_stream = on_stream
        self._reading = asyncio.Lock()
        self._more = True
        self.answer = Answer(request)
        self.over = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def has_left(self) -> bool:
        """Whether the client has left; aiohttp does not say so by itself."""
        transport = self._request.transport
        try:
            return transport is None or transport.is_closing()
        except AttributeError:
            # CPython 3.11 to 3.13: a TLS transport that was closed twice has no protocol to ask.
            return True

    def leave(self) -> None:
        """End the exchange, because the client takes no answer any more."""
        self.answer.lost = True
        self.over.set()

    async def receive(self) -> Event:
        """Receive the next part of the body, or the end of the exchange; see ASGI."""
        async with self._reading:
            if self._more and not self.over.is_set():
                chunk = await self._next_chunk()
                if chunk is not None:
                    return {"type": "http.request", "body": chunk, "more_body": self._more}
        await self.over.wait()
        return {"type": _DISCONNECTED}

    async def _next_chunk(self) -> bytes | None:
        """Read what has arrived; None when no more will come although the body is incomplete."""
        content = self._request.content
        try:
            if (error := content.exception()) is not None:
                raise error
            chunk: bytes = content.read_nowait()
            if not chunk and not content.at_eof():
                chunk = await race(content.readany(), self.over, self._silence)
        except Stopped:
            return None
        except asyncio.TimeoutError:
            # A client that stalls holds a connection and a handler of the application.
            self.answer.cut()
            self.leave()
            return None
        except (ConnectionError, aiohttp.ClientConnectionError):
            self.leave()
            return None
        except (web.RequestPayloadError, HttpProcessingError, ValueError):
            # What follows on this connection cannot be parsed either.
            self.answer.cut()
            self.leave()
            return None
        self._more = not content.at_eof()
        return chunk

    async def send(self, event: Event) -> None:
        """Send a part of the response; see ASGI.

        Raises:
            ValueError: HTTP does not have such an event, or a header cannot be sent.
            RuntimeError: The event does not come in its order.
        """
        if event["type"] == "http.response.start":
            headers = list(event.get("headers", ()))
            if _is_event_stream(headers):
                self._on_stream(self)
            await self.answer.start(event["status"], headers)
        elif event["type"] == "http.response.body":
            await self.answer.body(bytes(event.get("body", b"")), event.get("more_body", False))
            if self.answer.complete:
                self.over.set()
        else:
            raise ValueError(f"A response has no event {event['type']!r}")


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name.lower() == b"content-type" and value.lower().startswith(EVENT_STREAM.encode())
        for name, value in headers
    )
