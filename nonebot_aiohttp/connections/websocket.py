"""``DriverWebSocket``: what the driver needs of a WebSocket, whatever carries it.

It is the only place that knows how a WebSocket has ended, and says so with a new exception each
time: one that is kept and raised again grows with each raise, and keeps alive what has caught it.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from ..drivers import WebSocket
from ..exceptions import ReceiveConflict, WebSocketClosed
from .closing import (
    ABNORMAL,
    GONE,
    INVALID_TEXT,
    NO_CODE,
    NORMAL,
    Ending,
    answering_code,
    encodable,
    fitting,
    sendable_code,
)

SOCKET_SCHEMES = {"http": "ws", "https": "wss"}
"""The scheme of a WebSocket, by that of its handshake (RFC 6455, section 3)."""

DRIVERS_READER = "the driver's reader"
"""Who reads while ``pump`` runs."""


Deliver = Callable[[bytes], Any]


class DriverWebSocket(WebSocket):
    """What the driver needs of a WebSocket beyond the contract, whatever carries it.

    It guards two rules: one task reads a connection at a time, and a connection ends once.
    """

    _reader: str | None = None
    """Who reads at the moment, and lets go by setting it to None."""

    _ending: Ending | None = None
    """How the connection has ended; None while it has not."""

    _closing: asyncio.Task[None] | None = None
    """The closing handshake that this side has begun."""

    @property
    @abc.abstractmethod
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""

    @property
    def gone(self) -> bool:
        """Whether nothing can be sent any more, though messages may wait to be received."""
        return self.closed

    # A connection equals itself only; the contract's dataclass compares fields and has no hash.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    @property
    def transport(self) -> Any:
        """The transport, to see what is unsent; None where whoever carries it hides that."""
        return None

    @property
    def has_left(self) -> bool:
        """Whether the peer has gone before it was accepted, as far as that can be known."""
        return False

    @abc.abstractmethod
    async def pump(self, deliver: Deliver) -> NoReturn:
        """Read until the end and deliver each message; the only reader meanwhile.

        Args:
            deliver: Called with the bytes of each message, text or binary; must not block.

        Raises:
            WebSocketClosed: Always: the connection has ended.
            ReceiveConflict: Another reader is at work.
        """

    @abc.abstractmethod
    async def receive_frame(self) -> str | bytes:
        """Receive one message as the kind that it is.

        Returns:
            A text message as str, a binary one as bytes.

        Raises:
            WebSocketClosed: The connection has ended.
            WebSocketNotAccepted: It was not accepted yet.
            ReceiveConflict: Another task receives, the driver's own reader as a rule.
        """

    async def receive(self) -> str:
        """Receive one message as text, a binary one decoded; see ``receive_frame``."""
        data = await self.receive_frame()
        return data if isinstance(data, str) else await self._decode(data)

    async def receive_bytes(self) -> bytes:
        """Receive one message as bytes, a text one encoded; see ``receive_frame``."""
        data = await self.receive_frame()
        return data.encode() if isinstance(data, str) else data

    def _become_reader(self, who: str = "another task") -> None:
        """Claim the connection for one reader.

        Args:
            who: What the others are told of it.

        Raises:
            ReceiveConflict: Another reader is at work.
        """
        if self._reader is not None:
            text = f"Cannot receive: {self._reader} receives on this WebSocket already"
            raise ReceiveConflict(text)
        self._reader = who

    async def _decode(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
        await self.end(INVALID_TEXT, "invalid UTF-8 in a text message")
        raise self._closed_error()

    def _end_as(self, code: int, reason: str) -> None:
        """Take note of how the connection has ended, unless it has ended before."""
        if self._ending is None:
            self._ending = Ending(code, reason)

    def _closed_error(self) -> WebSocketClosed:
        """Make the error that says how the connection has ended; a new one for each raise.

        Raise it outside of ``except``, or else it keeps the caught error as its context.
        """
        return WebSocketClosed(*(self._ending or Ending(ABNORMAL, GONE)))

    async def _until_closed(self) -> None:
        """Leave the connection to the closing handshake, if this side has begun one."""
        if self._closing is not None:
            await asyncio.wait({self._closing})

    @abc.abstractmethod
    async def is_alive(self, timeout: float) -> bool | None:
        """Ask whether the peer is still there; needs a running ``pump``.

        Args:
            timeout: Seconds that the peer has to show any sign.

        Returns:
            Whether it did. None where the transport cannot ask.
        """

    async def end(self, code: int, reason: str | None = "") -> None:
        """Close with a reason, and wait until that is done; does nothing more when it has ended.

        Args:
            code: The close code; see ``sendable_code``.
            reason: Why, for the peer; cut to what a close frame can hold. None is no reason.

        Raises:
            TypeError: The reason is no text. Nothing has happened then.
            ValueError: The code must not be sent. Nothing has happened then.
        """
        # Whatever can raise comes first: an ending that is noted is not begun again.
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"The reason of a close is text, and no {type(reason).__name__}")
        code, reason = sendable_code(code), encodable(reason or "")
        words = fitting(reason)
        self._end_as(code, reason or "closed by this side")
        await self._finish(code, words)

    async def _answer_close(self, code: int, reason: str) -> None:
        """Take note of the peer's close, and answer it.

        Args:
            code: The code that the peer has sent; 0 for none.
            reason: Its words.
        """
        self._end_as(code or NO_CODE, reason)
        await self._finish(answering_code(code), fitting(reason))

    async def _finish(self, code: int, reason: bytes) -> None:
        """Do the closing handshake once, whoever comes first, and wait until it is done."""
        if self._closing is None and self._is_open():
            self._closing = asyncio.ensure_future(self._shake_hands(code, reason))
        if self._closing is not None:
            await asyncio.shield(self._closing)

    @abc.abstractmethod
    def _is_open(self) -> bool:
        """Tell whether there is a connection on which a closing handshake can begin."""

    @abc.abstractmethod
    async def _shake_hands(self, code: int, reason: bytes) -> None:
        """Do the closing handshake, within ``aiohttp_close_timeout``; raises nothing.

        Args:
            code: The close code.
            reason: The reason, short enough.
        """

    def abort(self, reason: str) -> None:
        """Drop the connection without a closing handshake, whatever is still unsent.

        Args:
            reason: Why, for whoever uses the connection later.
        """
        self._end_as(ABNORMAL, reason)
        self._drop()

    @abc.abstractmethod
    def _drop(self) -> None:
        """Let go of the transport, and wake who waits for it."""

    async def close(self, code: int = NORMAL) -> None:
        """Close the connection.

        Args:
            code: The close code; see ``sendable_code``.

        Raises:
            ValueError: The code must not be sent. Nothing has happened then.
        """
        await self.end(code)
