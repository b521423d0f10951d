"""``DriverWebSocket``: what the driver needs of a WebSocket, whichever transport carries it.

It guards two rules: only one task at a time reads a connection, and a connection ends once.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from ..drivers import WebSocket
from ..exceptions import ReceiveConflict, WebSocketClosed, WebSocketNotAccepted
from .closing import (
    ABNORMAL,
    CLOSED_HERE,
    GONE,
    INVALID_TEXT,
    NORMAL,
    Ending,
    answering_code,
    encode_reason,
    replace_surrogates,
    sendable_code,
)

DRIVERS_READER = "the driver's reader"
"""The name of the reader while ``pump`` runs, for errors."""

Deliver = Callable[[bytes], Any]


class DriverWebSocket(WebSocket):
    """A WebSocket with what the driver needs beyond the contract.

    Each transport has a subclass, which accepts, reads, sends, does the closing handshake and drops
    the connection. This class decides how a connection ends.
    """

    # No defaults here for what the hot paths read: CPython does not specialize access to what an
    # instance and its class both have, and reads it five times as slowly.
    _reader: str | None
    """The name of the task that reads now; the reader sets it to None when it has read."""

    _ending: Ending | None
    """How the connection has ended; None while it has not."""

    _closing: asyncio.Task[None] | None = None
    """The closing handshake that this side has begun."""

    owner: str
    """The name of the adapter whose messages these are; empty until that is known."""

    received: int
    """Messages that have come in."""

    sent: int
    """Messages that have gone out."""

    def __init__(self, **connection: Any) -> None:
        """Take the fields of ``HTTPConnection`` as keywords."""
        super().__init__(**connection)
        self._reader = self._ending = None
        self.owner = ""
        self.sent = 0

    @property
    @abc.abstractmethod
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""

    @property
    def gone(self) -> bool:
        """Whether nothing can be sent any more; messages may still wait to be received."""
        return self.closed

    # A connection is equal only to itself. The contract's dataclass compares fields.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    @property
    def transport(self) -> Any:
        """The transport, for its unsent bytes; None where the server hides it."""
        return None

    @property
    def has_left(self) -> bool:
        """Whether the peer has gone before it was accepted, as far as the transport can tell."""
        return False

    @abc.abstractmethod
    async def pump(self, deliver: Deliver) -> NoReturn:
        """Call ``deliver`` with the bytes of each message, text or binary, until the end.

        Raises:
            WebSocketClosed: Always, because only the end of the connection ends the reading.
            ReceiveConflict: Another task receives.
        """

    @abc.abstractmethod
    async def receive_frame(self) -> str | bytes:
        """Receive one message: a text message as str, a binary message as bytes.

        Raises:
            WebSocketClosed: The connection has ended.
            WebSocketNotAccepted: The connection was not accepted yet.
            ReceiveConflict: Another task receives; as a rule that is the driver's own reader.
        """

    async def receive(self) -> str:
        """Receive one message as text; a binary one is decoded. See ``receive_frame``."""
        data = await self.receive_frame()
        return data if isinstance(data, str) else await self._decode(data)

    async def receive_bytes(self) -> bytes:
        """Receive one message as bytes; a text one is encoded. See ``receive_frame``."""
        data = await self.receive_frame()
        return data.encode() if isinstance(data, str) else data

    @staticmethod
    def _wrong_data(data: Any, is_text: bool, error: TypeError) -> TypeError:
        """Make the error of sending something else than text or bytes; for any other, the same."""
        given = type(data).__name__
        if is_text and not isinstance(data, str):
            return TypeError(f"send() takes text, not {given}: json.dumps(...) makes it of data")
        if not is_text and not isinstance(data, (bytes, bytearray, memoryview)):
            return TypeError(f"send_bytes() takes bytes, not {given}: send() takes text")
        return error

    def _become_reader(self, name: str = "another task") -> None:
        """Claim the connection for one reader; other readers get an error with its name."""
        if self._reader is not None:
            text = f"Cannot receive: {self._reader} receives on this WebSocket already"
            if self._reader is DRIVERS_READER:
                text += ", and its messages come to handle_message"
            raise ReceiveConflict(text)
        self._reader = name

    async def _decode(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
        await self.end(INVALID_TEXT, "invalid UTF-8 in a text message")
        raise self.closed_error()

    def _check_open(self) -> None:
        """Raise unless the connection is accepted and has not ended."""
        if self._ending is not None:
            raise self._ending.error()
        if not self.accepted:
            raise WebSocketNotAccepted("The WebSocket is not accepted yet: await accept() first")

    def _end_as(self, ending: Ending) -> None:
        """Record how the connection has ended; the first ending counts."""
        if self._ending is None:
            self._ending = ending

    def closed_error(self) -> WebSocketClosed:
        """Make the error that says how the connection has ended; see ``Ending.error``."""
        return (self._ending or Ending(ABNORMAL, GONE)).error()

    async def _until_closed(self) -> None:
        """Wait for the end of the closing handshake, if this side has begun one."""
        if self._closing is not None:
            await asyncio.wait({self._closing})

    @abc.abstractmethod
    async def is_alive(self, timeout: float) -> bool | None:
        """Return whether the peer shows a sign of life within ``timeout`` seconds.

        ``pump`` must run meanwhile. The result is None where the transport cannot ask.
        """

    async def end(self, code: int, reason: str | None = "") -> None:
        """Close the connection, and wait until it is closed; one that has ended stays as it is.

        The reason is cut to what a close frame can carry. An error means that nothing was done.

        Raises:
            TypeError: The reason is neither text nor None.
            ValueError: The code must not be sent; see ``sendable_code``.
        """
        # Everything that can raise comes first, because a recorded ending is not begun again.
        if reason is not None and not isinstance(reason, str):
            kind = type(reason).__name__
            raise TypeError(f"The reason of a close must be text or None, not {kind}")
        code, reason = sendable_code(code), replace_surrogates(reason or "")
        encoded = encode_reason(reason)
        self._end_as(Ending(code, reason or CLOSED_HERE))
        await self._close_once(code, encoded)

    async def _answer_close(self, code: int, reason: str) -> None:
        """Record the peer's close, and answer it; the code is 0 if the frame has none."""
        self._end_as(Ending.by_peer(code, reason))
        await self._close_once(answering_code(code), encode_reason(reason))

    async def _close_once(self, code: int, reason: bytes) -> None:
        """Do the closing handshake, whichever side began it, unless it was done before."""
        if self._closing is None and self._is_open():
            self._closing = asyncio.ensure_future(self._close_handshake(code, reason))
        if self._closing is not None:
            await asyncio.shield(self._closing)

    @abc.abstractmethod
    def _is_open(self) -> bool:
        """Return whether a closing handshake can begin."""

    @abc.abstractmethod
    async def _close_handshake(self, code: int, reason: bytes) -> None:
        """Do the closing handshake within ``aiohttp_close_timeout``, and raise nothing."""

    def abort(self, reason: str) -> None:
        """Drop the connection without a closing handshake and with what is unsent.

        The reason is for this side: for the errors of later calls.
        """
        self._end_as(Ending(ABNORMAL, reason))
        self._drop()

    @abc.abstractmethod
    def _drop(self) -> None:
        """Drop the transport, and wake all tasks that wait for it."""

    async def close(self, code: int = NORMAL) -> None:
        """Close the connection; see ``end``."""
        await self.end(code)
