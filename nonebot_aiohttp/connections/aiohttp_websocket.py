"""``WebSocket`` over aiohttp: what both sides share, and the server's.

It guards the rule that every kind of ending is one error, ``WebSocketClosed`` with a code and a
reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

import aiohttp
from aiohttp import WSMessage, WSMsgType, web

from ..exceptions import WebSocketClosed, WebSocketNotAccepted
from ..options import DriverOptions
from .closing import ABNORMAL, GONE, NO_CODE, answering_code, fitting
from .fairness import BETWEEN_LOOKS, Turns
from .handshakes import decoding, without_subprotocols
from .probe import counted_bytes
from .unread import unread, unread_close
from .unsent import unsent_of
from .websocket import DRIVERS_READER, Deliver, DriverWebSocket

_FRAME_HEAD = 14  # Bytes that a frame's head has at most (RFC 6455, 5.2).


class AiohttpWebSocket(DriverWebSocket):
    """A WebSocket over aiohttp; the two sides differ in how they open and in their transport."""

    _socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse | None = None
    _transport: asyncio.WriteTransport | None = None
    _room = 0
    _dropped = False
    _heard: asyncio.Event | None = None
    _pong: asyncio.Future[None] | None = None

    def __init__(self, options: DriverOptions, **connection: Any) -> None:
        """Take what both sides need.

        Args:
            options: The driver's settings.
            **connection: The fields of ``HTTPConnection``.
        """
        super().__init__(**connection)
        self._close_timeout = options.close_timeout
        self._turns = Turns()

    @property
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""
        return self._socket is not None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; False before it was accepted."""
        return self._has_ended

    @property
    def _has_ended(self) -> bool:
        return self._ending is not None or (self._socket is not None and self._socket.closed)

    @property
    def gone(self) -> bool:
        """Whether nothing can be sent any more; see ``DriverWebSocket.gone``."""
        if self._has_ended or unread_close(self._socket) is not None:
            return True
        return self._transport is not None and self._transport.is_closing()

    @property
    def transport(self) -> Any:
        """The transport; see ``DriverWebSocket.transport``."""
        return self._transport

    def _take(self, transport: Any) -> None:
        """Take the transport, if there is one, and what it holds before a writer has to wait."""
        self._transport = transport
        if transport is not None:
            self._room = transport.get_write_buffer_limits()[1] - _FRAME_HEAD

    async def send(self, data: str) -> None:
        """Send one text message; usable from any task.

        Args:
            data: The text.

        Raises:
            WebSocketClosed: The connection has ended.
            WebSocketNotAccepted: It was not accepted yet.
        """
        if self._reader is None:
            self._raise_unread_close()
        # A character has four bytes at most (RFC 3629).
        await self._write(self._usable().send_str, data, 4 * len(data))

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message; usable from any task.

        Args:
            data: The bytes.

        Raises:
            WebSocketClosed: The connection has ended.
            WebSocketNotAccepted: It was not accepted yet.
        """
        if self._reader is None:
            self._raise_unread_close()
        await self._write(self._usable().send_bytes, data, len(data))

    async def receive_frame(self) -> str | bytes:
        """Receive one message as the kind that it is; see ``DriverWebSocket.receive_frame``."""
        socket = self._usable()
        self._become_reader()
        try:
            # Before a message is taken, which a cancellation would lose meanwhile.
            await self._turns.count()
            while True:
                message = await socket.receive()
                kind, data = message.type, message.data
                if kind is WSMsgType.TEXT:
                    return data if type(data) is str else await self._decode(data)
                if kind is WSMsgType.BINARY:
                    return bytes(data)
                await self._control(message)
        finally:
            self._reader = None

    async def pump(self, deliver: Deliver) -> NoReturn:
        """Read until the end and deliver each message; see ``DriverWebSocket.pump``."""
        # A connect hook may have begun to close it.
        await self._until_closed()
        socket = self._usable()
        self._become_reader(DRIVERS_READER)
        text, binary = WSMsgType.TEXT, WSMsgType.BINARY
        try:
            while True:
                for _ in range(BETWEEN_LOOKS):
                    message = await socket.receive()
                    kind, data = message.type, message.data
                    if kind is text:
                        if type(data) is str:
                            data = data.encode()
                        elif not data.isascii():
                            await self._decode(data)
                        deliver(data)
                    elif kind is binary:
                        deliver(data)
                    else:
                        await self._control(message)
                    # A connection that falls silent keeps no message alive.
                    del message, data
                    if self._heard is not None:
                        self._heard.set()
                await self._turns.look()
        finally:
            self._reader = None
            if self._heard is not None:
                # Nobody hears the answer any more: let is_alive() look at what has become of it.
                self._heard.set()

    async def is_alive(self, timeout: float) -> bool:
        """Ping the peer, and count what it sends meanwhile; see ``DriverWebSocket.is_alive``."""
        self._heard = asyncio.Event()
        with counted_bytes(self._transport) as counter:
            try:
                await asyncio.wait_for(self._ping(self._heard), timeout)
            except asyncio.TimeoutError:
                # In the middle of a message it cannot answer.
                return counter.count > 0 and not self.gone
            except ConnectionError:
                return False
            finally:
                self._heard = None
        return not self.gone

    async def _ping(self, answered: asyncio.Event) -> None:
        await self._write(self._usable().ping, b"alive?", 0)
        await answered.wait()

    def _is_open(self) -> bool:
        return self._socket is not None and not self._socket.closed

    async def _shake_hands(self, code: int, reason: bytes) -> None:
        """Bound the closing handshake: aiohttp waits for ever for one who does not read."""
        assert self._socket is not None
        close = unread_close(self._socket)
        if close is not None:
            # This is its answer then.
            code, reason = answering_code(close.data), fitting(close.extra or "")
        task = asyncio.ensure_future(self._socket.close(code=code, message=reason))
        if self._transport and self._ending and self._ending.code == NO_CODE:
            # Behind the answer: aiohttp's client takes a close without a code for none, and waits.
            asyncio.get_running_loop().call_soon(self._transport.close)
        await asyncio.wait({task}, timeout=self._close_timeout)
        if not task.done():
            # Not cancelled: dropping wakes it, and all who wait to send with it.
            self._drop()
        await asyncio.wait({task})
        if unsent_of(self._transport):
            # aiohttp's client has closed it, which waits for ever for one who does not read.
            asyncio.get_running_loop().call_later(self._close_timeout, self._drop)

    def _drop(self) -> None:
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()

    async def _write(self, write: Callable[..., Any], data: str | bytes, size: int) -> None:
        """Write a frame and wait until there is room for more.

        Args:
            write: The method of aiohttp's socket.
            data: Its argument.
            size: Bytes that the frame has at most.
        """
        try:
            if self._has_room_for(size):
                await write(data)
            else:
                await self._write_apart(write(data))
            return
        except ConnectionError as error:
            closed = self._failed_write(error)
        raise closed

    def _failed_write(self, error: ConnectionError) -> WebSocketClosed:
        """Say that it is gone; only who has read what came before has heard of an ending."""
        if self._ending is None and unread(self._socket):
            self._drop()
            return WebSocketClosed(ABNORMAL, str(error) or GONE)
        self._lose(error)
        return self._closed_error()

    def _has_room_for(self, size: int) -> bool:
        if self._transport is None:
            return True
        return self._transport.get_write_buffer_size() + size < self._room

    async def _write_apart(self, writing: Coroutine[Any, Any, None]) -> None:
        """Write in a task of its own, for aiohttp has all writers wait for one future.

        The one who is cancelled would cancel all others (since aiohttp#12307).
        """
        task = asyncio.ensure_future(writing)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
        if self._dropped:
            raise ConnectionResetError(GONE)

    def _usable(self) -> web.WebSocketResponse | aiohttp.ClientWebSocketResponse:
        if self._ending is None:
            if self._socket is None:
                text = "The WebSocket is not accepted yet: await accept() first"
                raise WebSocketNotAccepted(text)
            if not self._socket.closed:
                return self._socket
            self._lose(self._socket.exception())
        raise self._closed_error()

    def _raise_unread_close(self) -> None:
        """Refuse to send to a peer that has closed; what came before that can still be received."""
        close = unread_close(self._socket)
        if close is not None and self._ending is None:
            raise WebSocketClosed(close.data or NO_CODE, close.extra or "")

    async def _control(self, message: WSMessage) -> None:
        """Handle what is no data: answer a ping, pass over a pong, raise on the end."""
        if message.type is WSMsgType.PONG:
            return
        if message.type is WSMsgType.PING:
            await self._answer_ping(message.data)
            return
        await self._until_closed()
        if message.type is WSMsgType.CLOSE:
            # As whoever turns autoclose off has to: aiohttp answers with 1000, whatever has come.
            await self._answer_close(message.data, message.extra or "")
        self._lose(message.data if message.type is WSMsgType.ERROR else None)
        raise self._closed_error()

    async def _answer_ping(self, data: bytes) -> None:
        """Answer, as whoever turns autoping off has to (RFC 6455, section 5.5.3).

        The reader does not wait for a peer that pings but does not read.
        """
        pong = self._write(self._usable().pong, data, len(data))
        if self._has_room_for(len(data)):
            # One that has gone may have sent more before.
            await _unless_closed(pong)
        elif self._pong is None or self._pong.done():
            self._pong = asyncio.ensure_future(_unless_closed(pong))
        else:
            pong.close()

    def _lose(self, error: BaseException | None) -> None:
        """Take note of the end of the connection, and drop what is left of it.

        Args:
            error: What aiohttp says of it, if anything.
        """
        code = error.code if isinstance(error, aiohttp.WebSocketError) else ABNORMAL
        self._end_as(code, str(error or "") or GONE)
        if self._ending is not None and self._ending.code == ABNORMAL:
            # Not close(): with unsent data it waits for a peer who is gone, as the senders do.
            self._drop()


class ServerWebSocket(AiohttpWebSocket):
    """The server's side: a platform that connects to the bot."""

    def __init__(
        self,
        request: web.Request,
        options: DriverOptions,
        *,
        decode_text: bool = False,
        **connection: Any,
    ) -> None:
        """Wrap an upgrade request that is not answered yet.

        Args:
            request: The request.
            options: The driver's settings.
            decode_text: Whether text is wanted as str rather than as bytes.
            **connection: The fields of ``HTTPConnection``.
        """
        super().__init__(options, **connection)
        self._request = without_subprotocols(request)
        self.response: web.WebSocketResponse = web.WebSocketResponse(
            timeout=options.close_timeout,
            autoclose=False,
            autoping=False,
            heartbeat=options.heartbeat,
            compress=options.compress,
            max_msg_size=options.max_message_size,
            **decoding(decode_text),
        )

    @property
    def has_left(self) -> bool:
        """Whether the peer has gone before it was accepted."""
        return self._socket is None and self._request.transport is None

    @property
    def is_upgrade(self) -> bool:
        """Whether the request is a handshake as RFC 6455, section 4.2.1 wants it."""
        try:
            return bool(self.response.can_prepare(self._request))
        except ValueError:
            # aiohttp shows in its answer what the peer has sent, which is no UTF-8 always.
            return False

    async def accept(self) -> None:
        """Answer the handshake with 101.

        Raises:
            WebSocketClosed: It was closed before, or the peer has gone meanwhile.
        """
        if self._socket is not None:
            return
        if self._ending is None and self._request.transport is not None:
            try:
                await self.response.prepare(self._request)
                self._socket = self.response
                self._take(self._request.transport)
                return
            except ConnectionError as error:
                self._lose(error)
        self._lose(None)
        raise self._closed_error()


async def _unless_closed(writing: Coroutine[Any, Any, None]) -> None:
    with suppress(WebSocketClosed):
        await writing
