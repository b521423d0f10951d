"""``AsgiWebSocket``: a WebSocket over an ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, NoReturn

from ..exceptions import WebSocketClosed
from ..life.waiting import Stopped, race
from ..log.own import logger
from ..options import DriverOptions
from .closing import ABNORMAL, Ending, encode_reason, sendable_code
from .fairness import Turns
from .websocket import DRIVERS_READER, Deliver, DriverWebSocket

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


class AsgiWebSocket(DriverWebSocket):
    """A WebSocket over an ASGI server, which has its own heartbeat and limits."""

    def __init__(
        self, receive: Receive, send: Send, options: DriverOptions, **connection: Any
    ) -> None:
        """Wrap a connection whose ``websocket.connect`` has been received."""
        super().__init__(**connection)
        self.received = 0
        self._receive_event = receive
        self._send_event = send
        self._close_timeout = options.close_timeout
        self._accepted = False
        self._gone = asyncio.Event()
        # Whether end() can send no close any more: the server has reported the end, sending has
        # failed, or the reader is about to send the close.
        self._is_over = False

    @property
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""
        return self._accepted

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; False before it was accepted."""
        return self._ending is not None

    @property
    def gone(self) -> bool:
        """See ``DriverWebSocket.gone``."""
        return self._ending is not None or self._is_over

    async def accept(self) -> None:
        """Accept the connection.

        Raises:
            WebSocketClosed: The peer has gone.
        """
        if self._ending is not None:
            raise self.closed_error()
        if not self._accepted:
            self._accepted = True
            try:
                await self._emit({"type": "websocket.accept"})
            except WebSocketClosed as closed:
                self._end_as(Ending(closed.code, closed.reason))
                raise

    async def send(self, data: str) -> None:
        """Send one text message; see ``AiohttpWebSocket.send``."""
        self._check_open()
        try:
            await self._emit({"type": "websocket.send", "text": data})
            self.sent += 1
        except WebSocketClosed:
            if isinstance(data, str):
                raise
            # The server has refused the data, and the connection may go on.
            self._is_over = False
            error = self._wrong_data(data, True, TypeError())
        else:
            return
        raise error

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message; see ``AiohttpWebSocket.send``."""
        self._check_open()
        try:
            data = bytes(data)
        except TypeError as error:
            raise self._wrong_data(data, False, error) from None
        await self._emit({"type": "websocket.send", "bytes": data})
        self.sent += 1

    async def receive_frame(self) -> str | bytes:
        """See ``DriverWebSocket.receive_frame``."""
        self._check_open()
        self._become_reader()
        try:
            message: str | bytes = await self._until_gone(self._next_message())
            return message
        finally:
            self._reader = None

    async def pump(self, deliver: Deliver) -> NoReturn:
        """See ``DriverWebSocket.pump``."""
        # A connect hook may have begun to close the connection.
        await self._until_closed()
        self._check_open()
        self._become_reader(DRIVERS_READER)
        try:
            await self._until_gone(self._deliver_all(deliver))
            raise self.closed_error()
        finally:
            self._reader = None

    async def is_alive(self, timeout: float) -> None:
        """Return None: ASGI has no pings, and shows whole messages rather than bytes."""

    async def end(self, code: int, reason: str | None = "") -> None:
        """Close, and end the reader; see ``DriverWebSocket.end``."""
        await super().end(code, reason)
        self._gone.set()

    def _is_open(self) -> bool:
        return self._accepted and not self._is_over

    async def _close_handshake(self, code: int, reason: bytes) -> None:
        try:
            # Some servers wait for a peer that does not read.
            sending = self._send_event(close_event(code, reason))
            await asyncio.wait_for(sending, self._close_timeout)
        except Exception as error:
            # Each server has its own error for a connection that has gone.
            logger.debug("Closing a WebSocket that is gone: {}", type(error).__name__)
        finally:
            self._gone.set()

    def _drop(self) -> None:
        """End the reader, which closes the connection; only the server could drop it."""
        self._is_over = True
        self._gone.set()

    async def _emit(self, event: Event) -> None:
        """Send an event; a failure does not end the reading of earlier messages."""
        try:
            await self._send_event(event)
            return
        except Exception as error:
            # Each server has its own error for a connection that has gone.
            self._is_over = True
            reason = f"cannot send: {type(error).__name__}"
        raise (self._ending or Ending(ABNORMAL, reason)).error()

    async def _until_gone(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Read until this side ends the connection."""
        try:
            return await race(coroutine, self._gone)
        except Stopped:
            pass
        closed = self.closed_error()
        if closed.code == ABNORMAL:
            # abort() cannot send this itself, because it does not wait.
            await self._emit(close_event(sendable_code(closed.code), encode_reason(closed.reason)))
        raise closed

    async def _deliver_all(self, deliver: Deliver) -> NoReturn:
        turns = Turns()
        while True:
            message = await self._next_message()
            deliver(message.encode() if isinstance(message, str) else message)
            # Otherwise a silent connection would keep its last message alive.
            del message
            await turns.count()

    async def _next_message(self) -> str | bytes:
        event = await self._receive_event()
        if event["type"] == "websocket.disconnect":
            self._is_over = True
            self._end_as(Ending.by_peer(event.get("code"), event.get("reason")))
            raise self.closed_error()
        self.received += 1
        text: str | None = event.get("text")
        if text is not None:
            return text
        data: bytes = event["bytes"]
        return data


def close_event(code: int, reason: bytes) -> Event:
    """Make the event that closes a connection, of a sendable code and an encoded reason."""
    return {"type": "websocket.close", "code": code, "reason": reason.decode()}
