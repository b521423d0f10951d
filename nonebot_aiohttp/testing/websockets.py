"""``Connection``: a WebSocket between a platform and a bot, whoever has opened it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from .background import Background
from .faults import Close, Cut, Fault, Garbage, HalfOpen, Hang, Oversize, Reset, Silent, Slow
from .journal import Journal, Reader
from .links import Link
from .matching import Where, has_part
from .replies import Json, Replies
from .seen import Call
from .timeline import PLATFORM, timeline

AnyWebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse

_SHOWN = 200
"""Characters of a message that the timeline shows."""

NO_CLOSE_FRAME = 1006
"""The code of a connection that has ended without a close frame (RFC 6455, section 7.1.5)."""


@dataclass(frozen=True, eq=False)
class Received:
    """A message from the bot: `data` is text or bytes."""

    data: str | bytes
    _connection: Connection = field(repr=False)

    @property
    def text(self) -> str:
        """The message as text; bytes are taken as UTF-8."""
        return self.data if isinstance(self.data, str) else self.data.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The message as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.data)

    async def reply(self, data: Json) -> None:
        """Send an answer over the same connection; see `Connection.send`."""
        await self._connection.send(data)


@dataclass(frozen=True)
class Closed:
    """How a WebSocket has ended: the bot's code and reason, 1006 where no close frame came."""

    code: int
    reason: str = ""


class AutomaticReplies:
    """What a connection answers by itself to messages of one kind."""

    def __init__(self, where: Where) -> None:
        """Answer the messages that are so; see `Connection.on`."""
        self.where = where
        self.replies = Replies()

    def reply(
        self, data: Json | Callable[[Received], Any], *, times: int | None = None
    ) -> AutomaticReplies:
        """Add an answer; several are given one after the other, the last one again and again.

        Args:
            data: JSON, text or bytes as in `Connection.send`; or a function of the message that
                makes one of these, or None for no answer. It may be async.
            times: How often it is given; see `Route.reply`.
        """
        self.replies.add(data, times)
        return self


class Connection:
    """A WebSocket that the bot has opened, or the platform.

    Attributes:
        call: The request of the handshake; where the platform has opened it, the platform's own.
        messages: The messages from the bot, the oldest first.
        pings: How many pings the bot has sent.
    """

    def __init__(
        self,
        background: Background,
        call: Call,
        ws: AnyWebSocket,
        link: Callable[[], Link],
        complaints: list[str],
    ) -> None:
        """Take a WebSocket that is open, on the platform's event loop.

        Errors of functions that answer are added to ``complaints``.
        """
        self.call = call
        self.messages: Journal[Received] = Journal()
        self.pings = 0
        self._background = background
        self._ws = ws
        self._link = link
        self._complaints = complaints
        self._reader = Reader(self.messages)
        self._closed: Journal[Closed] = Journal()
        self._automatic: list[AutomaticReplies] = []
        self._common: list[AutomaticReplies] = []
        self._answers_pings = True

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return not self._closed

    async def send(
        self, data: Json, *, binary: bool = False, compressed: bool | None = None
    ) -> None:
        """Send a message.

        Args:
            data: Text is a text message and bytes a binary one; all else is sent as JSON.
            binary: Send text and JSON as a binary message, too.
            compressed: True compresses this message with permessage-deflate (RFC 7692), which the
                bot must have offered; None leaves it to what the connection has agreed on.

        Raises:
            ConnectionError: It has ended.
        """
        message = data if isinstance(data, str | bytes) else json.dumps(data, ensure_ascii=False)
        if binary and isinstance(message, str):
            message = message.encode()
        await self._background.call(self._send(message, compressed))

    async def expect(self, where: Where = None, *, deadline: float | None = None) -> Received:
        """Return the next message that is so, each once; wait for it if need be.

        Args:
            where: A part of its JSON, its whole text or bytes, or a function that decides about
                the `Received`; None is any message.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
        """
        what = "a message from the bot" if where is None else f"a message from the bot: {where!r}"
        return await self._reader.take(lambda message: _is_so(message, where), what, deadline)

    def on(self, where: Where) -> AutomaticReplies:
        """Answer messages of one kind by themselves: ``connection.on({...}).reply({...})``.

        Args:
            where: As in `expect`. Of several the first that fits and has an answer left is used.
        """
        automatic = AutomaticReplies(where)
        self._automatic.append(automatic)
        return automatic

    def answer_as(self, automatic: list[AutomaticReplies]) -> None:
        """Answer as all connections of a route do; what `on` adds comes first."""
        self._common = automatic

    async def fail(self, fault: Fault) -> None:
        """Let something go wrong now.

        Raises:
            TypeError: The fault is one of answers or of connections that are being opened.
        """
        timeline.note(PLATFORM, f"{self}: {fault}")
        await self._background.call(self._fail(fault))

    async def ping(self, data: bytes = b"") -> None:
        """Send a ping; what answers it is not waited for."""
        await self._background.call(self._ws.ping(data))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, and wait until the bot has answered, or for the deadline of the library."""
        timeline.note(PLATFORM, f"{self}: closes with {code} {reason}".rstrip())
        await self._background.call(self._close(code, reason))

    async def closed(self, *, deadline: float | None = None) -> Closed:
        """Wait until it has ended, and tell how.

        Raises:
            NothingCame: The seconds have passed.
        """
        return await self._closed.wait(
            lambda items: items[0] if items else None, f"the end of {self}", deadline
        )

    async def read_to_the_end(self) -> None:
        """Keep what comes and answer what is to be answered, on the platform's event loop."""
        code = NO_CLOSE_FRAME
        reason = ""
        try:
            while True:
                message = await self._ws.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._take(Received(message.data, self))
                elif message.type is WSMsgType.PING:
                    self.pings += 1
                    if self._answers_pings:
                        await self._ws.pong(message.data)
                elif message.type is WSMsgType.CLOSE:
                    code, reason = int(message.data), message.extra or ""
                elif message.type is not WSMsgType.PONG:
                    break
        except ConnectionError:
            pass
        finally:
            if code == NO_CLOSE_FRAME and self._ws.close_code:
                code = int(self._ws.close_code)
            timeline.note(PLATFORM, f"{self} has ended: {code} {reason}".rstrip())
            self._closed.append(Closed(code, reason))

    async def _take(self, received: Received) -> None:
        timeline.note(PLATFORM, f"{self} < {shown(received.data)}")
        self.messages.append(received)
        try:
            await self._answer(received)
        except ConnectionError:
            raise
        except Exception as error:
            self._complaints.append(
                f"the function that answers {shown(received.data)} has failed: {error!r}"
            )

    async def _answer(self, received: Received) -> None:
        for automatic in (*self._automatic, *self._common):
            if _is_so(received, automatic.where):
                step = automatic.replies.next()
                if step is not None:
                    answer = await step.make(received)
                    if answer is not None:
                        await received.reply(answer)
                    return

    async def _send(self, message: str | bytes, compressed: bool | None) -> None:
        if self._closed or self._ws.closed:
            raise ConnectionError(f"{self} has ended")
        timeline.note(PLATFORM, f"{self} > {shown(message)}")
        level = None if compressed is None else 15 if compressed else 0
        if isinstance(message, str):
            await self._ws.send_str(message, level)
        else:
            await self._ws.send_bytes(message, level)

    async def _close(self, code: int, reason: str) -> None:
        await self._ws.close(code=code, message=reason.encode())

    async def _fail(self, fault: Fault) -> None:
        link = self._link()
        if isinstance(fault, Reset):
            link.reset()
        elif isinstance(fault, Hang | HalfOpen):
            link.hold()
        elif isinstance(fault, Silent):
            self._answers_pings = False
        elif isinstance(fault, Close):
            await self._end(fault, link)
        elif isinstance(fault, Slow):
            link.slow_down(fault.pace)
        elif isinstance(fault, Cut):
            await self._cut(fault.after, link)
        elif isinstance(fault, Garbage):
            await link.send(fault.data)
        elif isinstance(fault, Oversize):
            await self._send("a" * fault.size, None)
        else:
            raise TypeError(f"{fault} does not strike a WebSocket that is open")

    async def _end(self, fault: Close, link: Link) -> None:
        if fault.code == NO_CLOSE_FRAME:
            link.close()
        else:
            await self._close(fault.code, fault.reason)

    async def _cut(self, after: int, link: Link) -> None:
        """Begin a message, and end the connection in the middle of it."""
        link.cut_after(after)
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(os.urandom(after + 1))
        await link.ended.wait()

    def __str__(self) -> str:
        return f"WebSocket {self.call.connection} {self.call.path}"


def _is_so(message: Received, where: Where) -> bool:
    if where is None:
        return True
    if callable(where):
        return bool(where(message))
    if isinstance(where, Mapping):
        try:
            return has_part(message.json, where)
        except ValueError:
            return False
    return message.data == where


def shown(data: str | bytes) -> str:
    """Return as much of a message as the timeline shows."""
    text = data if isinstance(data, str) else repr(data)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(data)} in all)"


async def keep(connection: Connection, greet: Callable[[], Awaitable[None]]) -> None:
    """Read a connection to its end, beside the function that greets the bot."""
    reading = asyncio.create_task(connection.read_to_the_end())
    try:
        await greet()
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
