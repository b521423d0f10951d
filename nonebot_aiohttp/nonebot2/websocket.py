"""NoneBot's ``WebSocket`` over ours: every kind of ending is NoneBot's ``WebSocketClosed``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import nonebot.exception
from nonebot.drivers import Request, WebSocket

from ..connections.closing import NORMAL
from ..connections.websocket import DriverWebSocket
from ..exceptions import WebSocketClosed

reading_watched: list[Callable[[], object]] = []
"""Called in the task that receives a message, while a driver waits for events to end."""


class NonebotWebSocket(WebSocket):
    """A WebSocket of either side; usable from any task."""

    def __init__(
        self,
        request: Request,
        socket: DriverWebSocket,
        receive_timeout: float | None = None,
        on_refused: Callable[[], Any] | None = None,
    ) -> None:
        """Wrap a socket.

        Args:
            request: The handshake.
            socket: The socket.
            receive_timeout: Seconds that a message may be waited for; None is no limit.
            on_refused: Called when the connection is closed before it was accepted.
        """
        super().__init__(request=request)
        self._socket = socket
        self._receive_timeout = receive_timeout
        self._on_refused = on_refused

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._socket.closed

    async def accept(self) -> None:
        """Accept the connection; on the client's side there is nothing to do.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
        """
        try:
            await self._socket.accept()
            return
        except WebSocketClosed as error:
            closed = nonebots_own(error)
        raise closed

    async def close(self, code: int = NORMAL, reason: str | None = "") -> None:
        """Close the connection; before ``accept`` it is refused with 403 at once.

        Code and reason of a ``WebSocketClosed`` can be handed on as they are.

        Args:
            code: The close code; see ``sendable_code``.
            reason: Why, for the peer; cut to what a close frame can hold. None is no reason.

        Raises:
            TypeError: The reason is no text. Nothing has happened then.
            ValueError: The code must not be sent. Nothing has happened then.
        """
        await self._socket.end(code, reason)
        if self._on_refused is not None and not self._socket.accepted:
            self._on_refused()

    async def receive(self) -> str | bytes:
        """Receive a message as the kind that it is.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
            asyncio.TimeoutError: The request's ``Timeout.read`` is over.
        """
        try:
            if self._receive_timeout is None:
                data = await self._socket.receive_frame()
            else:
                receiving = self._socket.receive_frame()
                data = await asyncio.wait_for(receiving, self._receive_timeout)
            if reading_watched:
                for note in reading_watched:
                    note()
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
            raise TypeError("A text message was expected, and a binary one has come")
        return data

    async def receive_bytes(self) -> bytes:
        """Receive a binary message; see ``receive``.

        Raises:
            TypeError: The message is text.
        """
        data = await self.receive()
        if not isinstance(data, bytes):
            raise TypeError("A binary message was expected, and a text one has come")
        return data

    async def send_text(self, data: str) -> None:
        """Send a text message.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
        """
        try:
            await self._socket.send(data)
            return
        except WebSocketClosed as error:
            closed = nonebots_own(error)
        raise closed

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Raises:
            nonebot.exception.WebSocketClosed: The connection has ended.
        """
        try:
            await self._socket.send_bytes(data)
            return
        except WebSocketClosed as error:
            closed = nonebots_own(error)
        raise closed


def nonebots_own(closed: WebSocketClosed) -> nonebot.exception.WebSocketClosed:
    """Say the end of a connection as NoneBot does.

    Raised outside of ``except`` it keeps nothing of ours: neither as its cause nor as its context.

    Args:
        closed: How the connection has ended.

    Returns:
        NoneBot's error.
    """
    return nonebot.exception.WebSocketClosed(closed.code, closed.reason)
