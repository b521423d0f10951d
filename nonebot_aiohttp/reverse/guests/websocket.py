"""One WebSocket that a guest serves: ASGI's ``receive`` and ``send`` over ``ServerWebSocket``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiohttp import hdrs, web

from ...connections.aiohttp_websocket import ServerWebSocket
from ...connections.asgi_websocket import Event
from ...connections.closing import ABNORMAL, NORMAL
from ...exceptions import WebSocketClosed
from .http import Answer

MOST_WAITING = 32
"""Messages that may wait for the application, as many as under uvicorn."""

MOST_BYTES = 1024 * 1024
"""Bytes that they may have together; a single message may have any size."""


class Inbox:
    """Messages that the application has not received yet; ``put`` waits for room."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self._end: Event | None = None
        self._changed = asyncio.Event()

    async def put(self, event: Event, size: int) -> None:
        """Add an event of that many bytes when there is room."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._bytes > MOST_BYTES):
            await self._change()
        self._waiting.append((event, size))
        self._bytes += size
        self._changed.set()

    def end(self, code: int, reason: str) -> None:
        """Put the end of the connection behind what waits; only the first call counts."""
        if self._end is None:
            self._end = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._changed.set()

    async def get(self) -> Event:
        """Take the next event; after the last one always that of the end."""
        while not self._waiting:
            if self._end is not None:
                return dict(self._end)
            await self._change()
        event, size = self._waiting.popleft()
        self._bytes -= size
        self._changed.set()
        return event

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class WebSocketExchange:
    """What an ASGI application receives and sends for one WebSocket.

    A task of its own reads ahead. Without it an application that only sends, such as one that shows
    a log, would not learn of the end, and pongs would not be seen.

    Attributes:
        over: Set when the handshake is refused, the client has left, or the application has ended.
    """

    def __init__(self, request: web.Request, websocket: ServerWebSocket) -> None:
        self.websocket = websocket
        self.over = asyncio.Event()
        self._answer = Answer(request)
        self._refused = False
        self._connected = False
        self._inbox = Inbox()
        self._reader: asyncio.Task[None] | None = None

    @property
    def has_left(self) -> bool:
        """Whether the client has left before it was accepted; later the reader finds out."""
        return self.websocket.has_left

    def leave(self) -> None:
        """End the exchange, because the client has left."""
        self._answer.lost = True
        self._inbox.end(ABNORMAL, "the client has left")
        self.over.set()

    def response(self) -> web.StreamResponse | None:
        """Give the response to return; None where the application has not answered."""
        if self.websocket.accepted:
            return self.websocket.response
        if self._answer.response is None and self._refused:
            # RFC 6455 leaves the status open; ASGI demands 403.
            return web.Response(status=403)
        return self._answer.response

    async def receive(self) -> Event:
        """Receive the next message, or the end of the connection; see ASGI."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        return await self._inbox.get()

    async def send(self, event: Event) -> None:
        """Accept, send, close or refuse; see ASGI.

        Raises:
            WebSocketClosed: The connection has ended; an ``OSError``, as ASGI wants it.
            RuntimeError: The event does not come in its order.
            ValueError: WebSockets do not have such an event, or a code or header cannot be sent.
        """
        kind = event["type"]
        if kind == "websocket.accept":
            await self._accept(event)
        elif kind == "websocket.send":
            text = event.get("text")
            if text is None:
                await self.websocket.send_bytes(bytes(event["bytes"]))
            else:
                await self.websocket.send(text)
        elif kind == "websocket.close":
            await self._close(event)
        elif kind.startswith("websocket.http.response."):
            await self._refuse(event)
        else:
            raise ValueError(f"A WebSocket has no event {kind!r}")

    async def _accept(self, event: Event) -> None:
        if self._refused or self.websocket.accepted:
            raise RuntimeError("This WebSocket was accepted or refused already")
        headers = self.websocket.response.headers
        for name, value in event.get("headers", ()):
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        if subprotocol := event.get("subprotocol"):
            headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = subprotocol
        await self.websocket.accept()
        self._reader = asyncio.ensure_future(self._read())

    async def _close(self, event: Event) -> None:
        if self.websocket.accepted:
            await self.websocket.end(event.get("code", NORMAL), event.get("reason") or "")
        else:
            self._end_refused()

    async def _refuse(self, event: Event) -> None:
        if self.websocket.accepted:
            raise RuntimeError("This WebSocket was accepted already")
        if event["type"].endswith(".start"):
            await self._answer.start(event["status"], event.get("headers", ()))
        else:
            more = event.get("more_body", False)
            await self._answer.body(bytes(event.get("body", b"")), more)
            if not more:
                self._end_refused()

    def _end_refused(self) -> None:
        self._refused = True
        self._inbox.end(ABNORMAL, "refused")
        self.over.set()

    async def _read(self) -> None:
        try:
            while True:
                data: Any = await self.websocket.receive_frame()
                key = "text" if isinstance(data, str) else "bytes"
                await self._inbox.put({"type": "websocket.receive", key: data}, len(data))
                del data
        except WebSocketClosed as closed:
            self._inbox.end(closed.code, closed.reason)

    async def finish(self, code: int) -> None:
        """End what the application has left open, a WebSocket with that close code."""
        if self._answer.response is not None and not self._answer.complete:
            self._answer.cut()
        if self.websocket.accepted:
            await self.websocket.end(code)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
