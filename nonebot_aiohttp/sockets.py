"""``Socket``: what the driver needs of a WebSocket, whatever carries it, and who is open."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from .drivers import WebSocket
from .exceptions import ReceiveConflict, WebSocketClosed

NORMAL, GOING_AWAY, NO_CODE, ABNORMAL = 1000, 1001, 1005, 1006
INVALID_TEXT, POLICY_VIOLATION, INTERNAL_ERROR = 1007, 1008, 1011
"""Close codes (RFC 6455, section 7.4.1); 1005 and 1006 are never sent."""

DRIVERS_READER = "the driver's reader"
"""Who reads while ``pump`` runs."""

READER_GRACE = 1.0
"""Seconds that the readers of closed connections get to end."""

_REASON_LIMIT = 123  # A control frame carries 125 bytes, two of them the code (RFC 6455, 5.5).

Deliver = Callable[[bytes], Any]


class Socket(WebSocket):
    """What the driver needs of a WebSocket beyond the contract, whatever carries it.

    It guards the rule that one task reads a connection at a time.
    """

    _reader: str | None = None
    """Who reads at the moment, and lets go by setting it to None."""

    @property
    @abc.abstractmethod
    def accepted(self) -> bool:
        """Whether the handshake has been answered with 101."""

    # A connection equals itself only; the contract's dataclass compares fields and has no hash.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

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
            closed = WebSocketClosed(INVALID_TEXT, "invalid UTF-8 in a text message")
        await self.end(closed.code, closed.reason)
        raise closed

    @abc.abstractmethod
    async def is_alive(self, timeout: float) -> bool:
        """Ask whether the peer is still there; needs a running ``pump``.

        Args:
            timeout: Seconds that the peer has to show any sign.

        Returns:
            Whether it did. False where the transport cannot ask.
        """

    @abc.abstractmethod
    async def end(self, code: int, reason: str = "") -> None:
        """Close with a reason; does nothing when the connection has ended.

        Args:
            code: The close code (RFC 6455, section 7.4).
            reason: Why, for the peer; cut to what a close frame can hold.
        """

    @abc.abstractmethod
    def abort(self, reason: str) -> None:
        """Drop the connection without a closing handshake, whatever is still unsent.

        Args:
            reason: Why, for whoever uses the connection later.
        """

    async def close(self, code: int = NORMAL) -> None:
        """Close the connection.

        Args:
            code: The close code (RFC 6455, section 7.4).
        """
        await self.end(code)


class OpenSockets:
    """All WebSockets that are in use, so that the stop can close them."""

    def __init__(self) -> None:
        """Begin with none."""
        # Futures come with who waits for them: idle connections are many.
        self._ended: dict[Socket, asyncio.Future[None] | None] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, socket: Socket) -> None:
        """Take a socket in; whoever reads it says when it has ended."""
        self._ended[socket] = None

    def remove(self, socket: Socket) -> None:
        """Let go of a socket whose reader has ended."""
        ended = self._ended.pop(socket, None)
        if ended is not None:
            _resolve(ended)

    async def close_all(self, code: int, reason: str) -> None:
        """Close all and wait until their readers have ended.

        Args:
            code: The close code.
            reason: Why, for the peers.
        """
        sockets = tuple(self._ended)
        readers = [self._end_of(socket) for socket in sockets]
        await asyncio.gather(
            *(socket.end(code, reason) for socket in sockets), return_exceptions=True
        )
        if readers:
            await asyncio.wait(readers, timeout=READER_GRACE)

    def _end_of(self, socket: Socket) -> asyncio.Future[None]:
        ended = self._ended[socket]
        if ended is None:
            ended = self._ended[socket] = asyncio.get_running_loop().create_future()
        return ended


def fitting(reason: str) -> bytes:
    """Cut the reason of a close to what its frame can hold.

    Args:
        reason: The reason.

    Returns:
        Whole characters in UTF-8.
    """
    return reason.encode()[:_REASON_LIMIT].decode(errors="ignore").encode()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
