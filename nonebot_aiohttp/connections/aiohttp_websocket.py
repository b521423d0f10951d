"""WebSockets over aiohttp: what both sides share, and the side of the server.

It guards the rule that every kind of ending is one error, ``WebSocketClosed`` with a code and a
reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from operator import length_hint
from typing import Any, NoReturn

import aiohttp
from aiohttp import WSMessage, WSMsgType, web

from ..exceptions import WebSocketClosed
from ..options import DriverOptions
from .closing import ABNORMAL, GONE, NO_CODE, Ending, answering_code, encode_reason
from .fairness import BETWEEN_LOOKS, Turns
from .handshakes import decoding, without_subprotocols
from .probe import counted_bytes
from .unread import unread, unread_close
from .unsent import unsent_of
from .websocket import DRIVERS_READER, Deliver, DriverWebSocket

_FRAME_HEAD = 14
"""Bytes of the head of a frame at most (RFC 6455, section 5.2)."""


class AiohttpWebSocket(DriverWebSocket):
    """A WebSocket over aiohttp; the two sides differ in how they open and in their transport."""

    # See DriverWebSocket for why there are no defaults here.
    _wrapped: web.WebSocketResponse | aiohttp.ClientWebSocketResponse | None
    """aiohttp's own WebSocket; None before it is accepted."""

    _transport: asyncio.WriteTransport | None
    """The transport; None where aiohttp hides it, or has lost it already."""

    _capacity: int
    """Bytes of frames that the transport takes before aiohttp makes writers wait."""

    _dropped = False

    _heard: asyncio.Event | None
    """Set by everything that the peer sends while ``is_alive`` waits for it."""

    _pong: asyncio.Future[None] | None = None
    """The answer to a ping that waits until the peer reads."""

    _received: int
    """Messages that have come in before this turn of the reader."""

    _turn: Iterator[int] | None
    """Counts the messages of this turn; None while nobody reads for the driver."""

    def __init__(self, options: DriverOptions, **connection: Any) -> None:
        """Take the fields of ``HTTPConnection`` as keywords."""
        super().__init__(**connection)
        self._wrapped = self._transport = self._heard = self._turn = None
        self._capacity = self._received = 0
        self._close_timeout = options.close_timeout
        self._turns = Turns()

    @property
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""
        return self._wrapped is not None

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; False before it was accepted."""
        return self._has_ended

    @property
    def _has_ended(self) -> bool:
        return self._ending is not None or (self._wrapped is not None and self._wrapped.closed)

    @property
    def gone(self) -> bool:
        """See ``DriverWebSocket.gone``."""
        if self._has_ended or unread_close(self._wrapped) is not None:
            return True
        return self._transport is not None and self._transport.is_closing()

    @property
    def transport(self) -> Any:
        """See ``DriverWebSocket.transport``."""
        return self._transport

    def _use_transport(self, transport: Any) -> None:
        self._transport = transport
        if transport is not None:
            self._capacity = transport.get_write_buffer_limits()[1] - _FRAME_HEAD

    async def send(self, data: str) -> None:
        """Send one text message, from any task.

        Raises:
            WebSocketClosed: The connection has ended.
            WebSocketNotAccepted: The connection was not accepted yet.
            TypeError: The data is not text.
        """
        if self._reader is None:
            self._raise_unread_close()
        # A character has four bytes at most (RFC 3629).
        try:
            await self._write(self._usable().send_str, data, 4 * len(data))
            self.sent += 1
        except TypeError as error:
            raise self._wrong_data(data, True, error) from None

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message, from any task; see ``send``."""
        if self._reader is None:
            self._raise_unread_close()
        try:
            await self._write(self._usable().send_bytes, data, len(data))
            self.sent += 1
        except TypeError as error:
            raise self._wrong_data(data, False, error) from None

    async def receive_frame(self) -> str | bytes:
        """See ``DriverWebSocket.receive_frame``."""
        wrapped = self._usable()
        self._become_reader()
        try:
            # Before the message is received: a cancellation in this wait would lose it.
            await self._turns.count()
            while True:
                message = await wrapped.receive()
                kind, data = message.type, message.data
                if kind is WSMsgType.TEXT:
                    self._received += 1
                    return data if type(data) is str else await self._decode(data)
                if kind is WSMsgType.BINARY:
                    self._received += 1
                    return bytes(data)
                await self._handle_control(message)
        finally:
            self._reader = None

    async def pump(self, deliver: Deliver) -> NoReturn:
        """See ``DriverWebSocket.pump``."""
        # A connect hook may have begun to close the connection.
        await self._until_closed()
        wrapped = self._usable()
        self._become_reader(DRIVERS_READER)
        text, binary = WSMsgType.TEXT, WSMsgType.BINARY
        try:
            while True:
                self._turn = turn = iter(range(BETWEEN_LOOKS))
                for _ in turn:
                    message = await wrapped.receive()
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
                        await self._handle_control(message)
                        self._received -= 1
                    # Otherwise a silent connection would keep its last message alive.
                    del message, data
                    if self._heard is not None:
                        self._heard.set()
                self._turn, self._received = None, self._received + BETWEEN_LOOKS
                await self._turns.look()
        finally:
            self._received, self._turn = self.received, None
            self._reader = None
            if self._heard is not None:
                # No answer can be read any more: is_alive() must see what has happened.
                self._heard.set()

    @property
    def received(self) -> int:  # type: ignore[override]
        """Messages that have come in.

        The reader counts them in turns, and not each, which would cost a fiftieth of a message.
        """
        if self._turn is None:
            return self._received
        # The turn is one ahead, because its reader waits for a message or is about to.
        return self._received + BETWEEN_LOOKS - length_hint(self._turn) - 1

    async def is_alive(self, timeout: float) -> bool:
        """Send a ping, and count what the peer sends; see ``DriverWebSocket.is_alive``."""
        self._heard = asyncio.Event()
        with counted_bytes(self._transport) as counter:
            try:
                await asyncio.wait_for(self._ping(self._heard), timeout)
            except asyncio.TimeoutError:
                # A peer in the middle of a large message cannot answer yet.
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
        return self._wrapped is not None and not self._wrapped.closed

    async def _close_handshake(self, code: int, reason: bytes) -> None:
        """Do the closing handshake; aiohttp alone waits for ever for a peer that does not read."""
        assert self._wrapped is not None
        close = unread_close(self._wrapped)
        if close is not None:
            # The peer has closed first, so this close is the answer.
            code, reason = answering_code(close.data), encode_reason(close.extra or "")
        task = asyncio.ensure_future(self._wrapped.close(code=code, message=reason))
        if self._transport and self._ending and self._ending.code == NO_CODE:
            # aiohttp's client does not recognize a close without a code, and waits for another one.
            # The transport closes when it has sent the answer.
            asyncio.get_running_loop().call_soon(self._transport.close)
        await asyncio.wait({task}, timeout=self._close_timeout)
        if not task.done():
            # Dropping ends the task, and with it all tasks that wait to send; cancelling would not.
            self._drop()
        await asyncio.wait({task})
        if unsent_of(self._transport):
            # aiohttp's client has closed the transport, which waits for ever to send the rest.
            asyncio.get_running_loop().call_later(self._close_timeout, self._drop)

    def _drop(self) -> None:
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()

    async def _write(self, write: Callable[..., Any], data: str | bytes, size: int) -> None:
        """Write a frame of ``size`` bytes at most, and wait until there is room for more."""
        try:
            if self._has_room_for(size):
                await write(data)
            else:
                await self._write_in_task(write(data))
            return
        except ConnectionError as error:
            closed = self._failed_write(error)
        raise closed

    def _failed_write(self, error: ConnectionError) -> WebSocketClosed:
        """Make the error of a write; the connection has ended only when all messages are read."""
        if self._ending is None and unread(self._wrapped):
            self._drop()
            return Ending(ABNORMAL, str(error) or GONE).error()
        self._lose(error)
        return self.closed_error()

    def _has_room_for(self, size: int) -> bool:
        if self._transport is None:
            return True
        return self._transport.get_write_buffer_size() + size < self._capacity

    async def _write_in_task(self, writing: Coroutine[Any, Any, None]) -> None:
        """Write in a task of its own, because all writers of aiohttp wait for one future.

        A writer that is cancelled would cancel all others (since aiohttp#12307).
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
        """Return aiohttp's WebSocket, or raise unless it is accepted and open."""
        wrapped = self._wrapped
        if self._ending is None and wrapped is not None and wrapped.closed:
            self._lose(wrapped.exception())
        self._check_open()
        assert wrapped is not None
        return wrapped

    def _raise_unread_close(self) -> None:
        """Refuse to send to a peer that has closed; its earlier messages can still be received."""
        close = unread_close(self._wrapped)
        if close is not None and self._ending is None:
            raise Ending.by_peer(close.data, close.extra).error()

    async def _handle_control(self, message: WSMessage) -> None:
        """Answer a ping, ignore a pong, and raise on the end."""
        if message.type is WSMsgType.PONG:
            return
        if message.type is WSMsgType.PING:
            await self._answer_ping(message.data)
            return
        await self._until_closed()
        if message.type is WSMsgType.CLOSE:
            # Answered here, because aiohttp's autoclose answers every close with 1000.
            await self._answer_close(message.data, message.extra or "")
        self._lose(message.data if message.type is WSMsgType.ERROR else None)
        raise self.closed_error()

    async def _answer_ping(self, data: bytes) -> None:
        """Answer a ping, because autoping is off (RFC 6455, section 5.5.3).

        The reader does not wait for a peer that pings but does not read: one answer waits, and the
        next pings get none.
        """
        pong = self._write(self._usable().pong, data, len(data))
        if self._has_room_for(len(data)):
            # A peer that has gone may have sent messages before, which are still to be read.
            await _unless_closed(pong)
        elif self._pong is None or self._pong.done():
            self._pong = asyncio.ensure_future(_unless_closed(pong))
        else:
            pong.close()

    def _lose(self, error: BaseException | None) -> None:
        """Record that the connection is lost, with aiohttp's error if there is one, and drop it."""
        code = error.code if isinstance(error, aiohttp.WebSocketError) else ABNORMAL
        self._end_as(Ending(code, str(error or "") or GONE))
        if self._ending is not None and self._ending.code == ABNORMAL:
            # Not close(): with unsent data it waits for a peer that is gone, and so do the senders.
            self._drop()


class ServerWebSocket(AiohttpWebSocket):
    """The side of the server: a platform has connected to the bot."""

    def __init__(
        self,
        request: web.Request,
        options: DriverOptions,
        *,
        decode_text: bool = False,
        **connection: Any,
    ) -> None:
        """Wrap an upgrade request before its answer; for ``decode_text`` see ``decoding``."""
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
        """See ``DriverWebSocket.has_left``."""
        return self._wrapped is None and self._request.transport is None

    @property
    def is_upgrade(self) -> bool:
        """Whether the request is a valid handshake (RFC 6455, section 4.2.1)."""
        try:
            return bool(self.response.can_prepare(self._request))
        except ValueError:
            # aiohttp repeats in its answer what the peer has sent, which is not always UTF-8.
            return False

    async def accept(self) -> None:
        """Answer the handshake with 101.

        Raises:
            WebSocketClosed: The connection was closed before, or the peer has gone.
        """
        if self._wrapped is not None:
            return
        if self._ending is None and self._request.transport is not None:
            try:
                await self.response.prepare(self._request)
                self._wrapped = self.response
                self._use_transport(self._request.transport)
                return
            except ConnectionError as error:
                self._lose(error)
        self._lose(None)
        raise self.closed_error()


async def _unless_closed(writing: Coroutine[Any, Any, None]) -> None:
    with suppress(WebSocketClosed):
        await writing
