"""One WebSocket that a guest serves: ASGI's ``receive`` and ``send`` over the driver's socket."""

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
"""Messages of a peer that wait for the application, as under uvicorn."""

MOST_BYTES = 1024 * 1024
"""Bytes of them, but that one message may have any size that the connection lets through."""


class Inbox:
    """What a peer has sent and the application has not taken yet; who puts more in waits."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self._end: Event | None = None
        self._changed = asyncio.Event()

    async def put(self, event: Event, size: int) -> None:
        """Add an event when there is room.

        Args:
            event: The event.
            size: Bytes that it holds.
        """
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._bytes > MOST_BYTES):
            await self._change()
        self._waiting.append((event, size))
        self._bytes += size
        self._changed.set()

    def end(self, code: int, reason: str) -> None:
        """Say how the connection has ended, behind what waits; the first to say so is right.

        Args:
            code: The close code.
            reason: Why.
        """
        if self._end is None:
            self._end = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._changed.set()

    async def get(self) -> Event:
        """Take the next event; after the end it is that of the end for ever."""
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


class SocketExchange:
    """What an ASGI application receives and sends for one WebSocket.

    A task of its own reads ahead: an application that only sends, such as one that shows a log,
    learns of the end all the same, and pongs are seen.

    Attributes:
        socket: The connection.
        over: Set when the handshake is refused, its client has left, or the application has ended.
    """

    def __init__(self, request: web.Request, socket: ServerWebSocket) -> None:
        """Take a handshake.

        Args:
            request: The handshake.
            socket: The connection, not accepted yet.
        """
        self.socket = socket
        self.over = asyncio.Event()
        self._answer = Answer(request)
        self._refused = False
        self._connected = False
        self._inbox = Inbox()
        self._reader: asyncio.Task[None] | None = None

    @property
    def has_left(self) -> bool:
        """Whether the client has gone before it was accepted; later its reader finds out."""
        return self.socket.has_left

    def leave(self) -> None:
        """End the exchange: the client has left."""
        self._answer.lost = True
        self._inbox.end(ABNORMAL, "the client has left")
        self.over.set()

    def response(self) -> web.StreamResponse | None:
        """Give what the server shall return; None where the application has not answered."""
        if self.socket.accepted:
            return self.socket.response
        if self._answer.response is None and self._refused:
            # RFC 6455 leaves the status open; ASGI wants 403.
            return web.Response(status=403)
        return self._answer.response

    async def receive(self) -> Event:
        """Receive the next message, or hear that the connection has ended; see ASGI.

        Returns:
            The event.
        """
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        return await self._inbox.get()

    async def send(self, event: Event) -> None:
        """Accept, send, close or refuse; see ASGI.

        Args:
            event: The event.

        Raises:
            WebSocketClosed: The connection has ended; an ``OSError``, as ASGI wants it.
            RuntimeError: It does not come in its order.
            ValueError: WebSockets have no such event, or its code or header cannot be sent.
        """
        kind = event["type"]
        if kind == "websocket.accept":
            await self._accept(event)
        elif kind == "websocket.send":
            text = event.get("text")
            if text is None:
                await self.socket.send_bytes(bytes(event["bytes"]))
            else:
                await self.socket.send(text)
        elif kind == "websocket.close":
            await self._close(event)
        elif kind.startswith("websocket.http.response."):
            await self._refuse(event)
        else:
            raise ValueError(f"A WebSocket has no event {kind!r}")

    async def _accept(self, event: Event) -> None:
        if self._refused or self.socket.accepted:
            raise RuntimeError("This WebSocket was accepted or refused already")
        headers = self.socket.response.headers
        for name, value in event.get("headers", ()):
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        if subprotocol := event.get("subprotocol"):
            headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = subprotocol
        await self.socket.accept()
        self._reader = asyncio.ensure_future(self._read())

    async def _close(self, event: Event) -> None:
        if self.socket.accepted:
            await self.socket.end(event.get("code", NORMAL), event.get("reason") or "")
        else:
            self._end_refused()

    async def _refuse(self, event: Event) -> None:
        if self.socket.accepted:
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
                data: Any = await self.socket.receive_frame()
                key = "text" if isinstance(data, str) else "bytes"
                await self._inbox.put({"type": "websocket.receive", key: data}, len(data))
                del data
        except WebSocketClosed as closed:
            self._inbox.end(closed.code, closed.reason)

    async def finish(self, code: int) -> None:
        """End what the application has left open.

        Args:
            code: The close code.
        """
        if self._answer.response is not None and not self._answer.complete:
            self._answer.cut()
        if self.socket.accepted:
            await self.socket.end(code)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
