"""NoneBot's ``WebSocket`` over ours: every kind of end raises NoneBot's ``WebSocketClosed``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import nonebot.exception
from nonebot.drivers import Request, WebSocket

from ..connections.closing import NORMAL
from ..connections.websocket import DriverWebSocket
from ..exceptions import WebSocketClosed

current_websocket: ContextVar[DriverWebSocket | None] = ContextVar("websocket", default=None)
"""The WebSocket for which the current task runs; see ``websocket_of``."""


def websocket_of(adapter: str) -> DriverWebSocket | None:
    """Return the WebSocket over which the current task connects a bot of an adapter.

    A task inherits it from the task that has started it, but may outlive it, or do something for
    another adapter. Then the result is None.
    """
    websocket = current_websocket.get()
    if websocket is None or websocket.closed or websocket.owner not in ("", adapter):
        return None
    websocket.owner = adapter
    return websocket


receive_observers: list[Callable[[], object]] = []
"""Called in each task that receives a message, while a driver waits for events to end."""


class NonebotWebSocket(WebSocket):
    """A WebSocket of a server or a client; any task may use it."""

    def __init__(
        self,
        request: Request,
        websocket: DriverWebSocket,
        receive_timeout: float | None = None,
        on_refused: Callable[[], Any] | None = None,
    ) -> None:
        """Wrap a WebSocket of this package.

        Args:
            request: The request of the handshake.
            receive_timeout: Seconds to wait for a message; None means no limit.
            on_refused: Called when the connection is closed before it was accepted.
        """
        super().__init__(request=request)
        self._websocket = websocket
        self._receive_timeout = receive_timeout
        self._on_refused = on_refused

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._websocket.closed

    async def accept(self) -> None:
        """Accept the connection; on a client's side this does nothing.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
        """
        await _translated(self._websocket.accept())

    async def close(self, code: int = NORMAL, reason: str | None = "") -> None:
        """Close the connection. Before ``accept``, refuse the handshake with 403 at once.

        The code and the reason of a ``WebSocketClosed`` can be passed on as they are.

        Args:
            code: The close code; see ``sendable_code``.
            reason: Why, for the peer; cut to the length that a close frame can hold. None is the
                same as an empty reason.

        Raises:
            TypeError: The reason is not text. The connection stays open.
            ValueError: The code must not be sent. The connection stays open.
        """
        await self._websocket.end(code, reason)
        if self._on_refused is not None and not self._websocket.accepted:
            self._on_refused()

    async def receive(self) -> str | bytes:
        """Receive a message: text as str, binary as bytes.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
            asyncio.TimeoutError: No message came within the request's ``Timeout.read``.
        """
        try:
            if self._receive_timeout is None:
                data = await self._websocket.receive_frame()
            else:
                receiving = self._websocket.receive_frame()
                data = await asyncio.wait_for(receiving, self._receive_timeout)
            for observe in receive_observers:
                observe()
            return data
        except WebSocketClosed as error:
            closed = nonebots_own(error)
        raise closed

    async def receive_text(self) -> str:
        """Receive a text message; see ``receive``.

        Raises:
            TypeError: The message is binary.
        """
        data = await self.receive()
        if not isinstance(data, str):
            raise TypeError("A text message was expected, but a binary message has come")
        return data

    async def receive_bytes(self) -> bytes:
        """Receive a binary message; see ``receive``.

        Raises:
            TypeError: The message is text.
        """
        data = await self.receive()
        if not isinstance(data, bytes):
            raise TypeError("A binary message was expected, but a text message has come")
        return data

    async def send_text(self, data: str) -> None:
        """Send a text message.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
        """
        await _translated(self._websocket.send(data))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
        """
        await _translated(self._websocket.send_bytes(data))


async def _translated(operation: Awaitable[None]) -> None:
    """Await an operation of our WebSocket; if the connection has ended, raise NoneBot's error."""
    try:
        await operation
        return
    except WebSocketClosed as error:
        closed = nonebots_own(error)
    raise closed


def nonebots_own(closed: WebSocketClosed) -> nonebot.exception.WebSocketClosed:
    """Return NoneBot's error for the end of a connection.

    Raise it outside of ``except``, so that our error is neither its cause nor its context.
    """
    return nonebot.exception.WebSocketClosed(closed.code, closed.reason)
