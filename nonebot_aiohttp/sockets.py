"""``Socket``: what the driver needs of a WebSocket, whatever carries it, and who is open.

It is the only place that knows how a WebSocket has ended, and says so with a new exception each
time: one that is kept and raised again grows with each raise, and keeps alive what has caught it.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from .deadline import Deadline
from .drivers import WebSocket
from .exceptions import ReceiveConflict, WebSocketClosed
from .log import logger

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_CODE, ABNORMAL = 1000, 1001, 1002, 1005, 1006
INVALID_TEXT, POLICY_VIOLATION, INTERNAL_ERROR, TRY_AGAIN_LATER = 1007, 1008, 1011, 1013
TLS_FAILED = 1015
"""Close codes (RFC 6455, section 7.4.1, and its registry); 1005, 1006 and 1015 are never sent."""

_RESERVED = 1004
_SENT_INSTEAD = {NO_CODE: NORMAL, ABNORMAL: INTERNAL_ERROR, TLS_FAILED: INTERNAL_ERROR}

SOCKET_SCHEMES = {"http": "ws", "https": "wss"}
"""The scheme of a WebSocket, by that of its handshake (RFC 6455, section 3)."""

DRIVERS_READER = "the driver's reader"
"""Who reads while ``pump`` runs."""

GONE = "the connection is gone"
"""The reason of an ending of which nothing else is known."""

_REASON_LIMIT = 123  # A control frame carries 125 bytes, two of them the code (RFC 6455, 5.5).

Deliver = Callable[[bytes], Any]


class Ending(NamedTuple):
    """How a WebSocket has ended.

    Attributes:
        code: The close code (RFC 6455, section 7.4).
        reason: Why, in words.
    """

    code: int
    reason: str


class Socket(WebSocket):
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


class OpenSockets:
    """All WebSockets that are in use, so that the stop can close them."""

    def __init__(self) -> None:
        # Futures come with who waits for them: idle connections are many.
        self._ended: dict[Socket, asyncio.Future[None] | None] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def __iter__(self) -> Iterator[Socket]:
        return iter(tuple(self._ended))

    def add(self, socket: Socket) -> None:
        """Take a socket in; whoever reads it says when it has ended."""
        self._ended[socket] = None

    def remove(self, socket: Socket) -> None:
        """Let go of a socket whose reader has ended."""
        ended = self._ended.pop(socket, None)
        if ended is not None:
            _resolve(ended)

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """Close all and wait until their readers have ended.

        Args:
            code: The close code.
            reason: Why, for the peers.
            deadline: Bounds the closing handshakes; then those that are left are dropped.
        """
        sockets = tuple(self._ended)
        if not sockets:
            return
        readers = [self._end_of(socket) for socket in sockets]
        closing = {asyncio.ensure_future(socket.end(code, reason)): socket for socket in sockets}
        with deadline.peers() as seconds:
            _, late = await asyncio.wait(closing, timeout=seconds)
        if late:
            logger.info("Dropped {} WebSocket(s) whose peers did not close them", len(late))
        for task in late:
            closing[task].abort(reason)
        with deadline.grace() as grace:
            await asyncio.wait([*readers, *late], timeout=grace)
        for task in closing:
            _forget(task)

    def _end_of(self, socket: Socket) -> asyncio.Future[None]:
        ended = self._ended[socket]
        if ended is None:
            ended = self._ended[socket] = asyncio.get_running_loop().create_future()
        return ended


def sendable_code(code: Any) -> int:
    """Find the code that a close frame carries for the one that was asked for.

    Three codes stand for a close that no frame has told of. Who relays a close hands them on, and
    is understood.

    Args:
        code: 1000 to 1003, 1005 to 1015, or 3000 to 4999 (RFC 6455, section 7.4, and its registry).

    Returns:
        1000 for 1005, which says that the frame had no code; 1011 for 1006 and 1015, a lost
        connection and TLS that failed; any other code as it is.

    Raises:
        ValueError: The code must not be sent, or is no int.
    """
    # A bool is an int to Python.
    number = int(code) if isinstance(code, int) and not isinstance(code, bool) else 0
    number = _SENT_INSTEAD.get(number, number)
    if (1000 <= number <= 1014 and number != _RESERVED) or 3000 <= number <= 4999:
        return number
    raise ValueError(
        f"Cannot close a WebSocket with {code!r}: choose 1000 to 1003, 1007 to 1014, or a code of"
        " your own from 4000 to 4999"
    )


def answering_code(code: int) -> int:
    """Find the code that answers the close of a peer: its own, as a rule (RFC 6455, 5.5.1).

    Args:
        code: The code that the peer has sent; 0 for none.

    Returns:
        That code; 1000 if there is none, 1002 if it must not be sent.
    """
    if not code:
        return NORMAL
    with suppress(ValueError):
        if sendable_code(code) == code:
            return code
    return PROTOCOL_ERROR


def encodable(text: str) -> str:
    """Make text that UTF-8 can encode.

    Args:
        text: Text, with halves of surrogate pairs in it as JSON makes them.

    Returns:
        The text; halves that belong together are joined, and U+FFFD, the replacement character,
        stands for each that is alone.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def fitting(reason: str) -> bytes:
    """Cut the reason of a close to what its frame can hold.

    Args:
        reason: The reason; see ``encodable``.

    Returns:
        Whole characters in UTF-8.
    """
    return encodable(reason).encode()[:_REASON_LIMIT].decode(errors="ignore").encode()


def _forget(closing: asyncio.Future[None]) -> None:
    """Let go of a closing that has ended, failed or not, or that nobody waits for any longer."""
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
