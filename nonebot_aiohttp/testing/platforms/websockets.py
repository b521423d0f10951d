"""``Connection``: a WebSocket between a platform and a bot, whoever has opened it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import WSMsgType, web

from ..common.journal import Journal, Reader
from ..common.timeline import PLATFORM, shown, timeline
from ..wire import frames
from ..wire.background import Background
from ..wire.faults import (
    Close,
    Cut,
    Fault,
    Oversize,
    Place,
    Silent,
    check,
)
from ..wire.links import Link
from .matching import Where
from .messages import AutomaticReplies, Closed, Received
from .problems import Problems
from .replies import Json
from .seen import Call

AnyWebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse

NO_CLOSE_FRAME = 1006
"""The code of a connection that has ended without a close frame (RFC 6455, section 7.1.5)."""

_CLOSING = 10.0
"""Seconds that a bot has to answer a close frame."""

_NEAREST = 5
"""Messages that a failure shows at most."""


class Connection:
    """A WebSocket that the bot has opened, or the platform.

    Attributes:
        call: The request of the handshake; where the platform has opened it, the platform's own.
        messages: The messages from the bot, the oldest first.
        pings: How many pings the bot has sent.
        pongs: How many pongs the bot has sent.
        protocol: The subprotocol that was agreed on, or None.
    """

    def __init__(
        self,
        background: Background,
        call: Call,
        ws: AnyWebSocket,
        link: Link,
        problems: Problems,
    ) -> None:
        """Take a WebSocket that is open, on the platform's event loop."""
        self.call = call
        self.messages: Journal[Received] = Journal()
        self.pings = 0
        self.pongs = 0
        self.protocol: str | None = (
            ws.ws_protocol if isinstance(ws, web.WebSocketResponse) else ws.protocol
        )
        self._background = background
        self._ws = ws
        self._link = link
        self._problems = problems
        self._masked = isinstance(ws, aiohttp.ClientWebSocketResponse)
        self._window = int(ws.compress)
        self._reader = Reader(self.messages)
        self._closed: Journal[Closed] = Journal()
        self._automatic: list[AutomaticReplies] = []
        self._common: list[AutomaticReplies] = []
        self._answers_pings = True
        self._has_closed = False
        self._limit: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return not self._closed

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the handshake's request, with lower-case names."""
        return self.call.headers

    @property
    def path(self) -> str:
        """The path of the handshake's request."""
        return self.call.path

    @property
    def query(self) -> dict[str, str]:
        """The query of the handshake's request."""
        return self.call.query

    async def send(
        self,
        data: Json,
        *,
        binary: bool = False,
        compressed: bool | None = None,
        fragments: int = 1,
    ) -> None:
        """Send a message.

        Args:
            data: Text is a text message and bytes a binary one; all else is sent as JSON.
            binary: Send text and JSON as a binary message, too.
            compressed: True compresses this message with permessage-deflate (RFC 7692), which both
                ends must have agreed on; None does it if they have.
            fragments: The number of frames that the message has (RFC 6455, section 5.4).

        Raises:
            ConnectionError: It has ended.
            ValueError: It should be compressed, and that was not agreed on.
        """
        message = data if isinstance(data, str | bytes) else json.dumps(data, ensure_ascii=False)
        if compressed and not self._window:
            raise ValueError(
                f"{self} has no compression: the platform has to ask for it (compressed=True of "
                "Platform.websocket or Platform.connect), and the bot has to offer or accept it"
            )
        opcode = frames.TEXT if isinstance(message, str) and not binary else frames.BINARY
        payload = message.encode() if isinstance(message, str) else message
        made = frames.message(
            opcode,
            payload,
            masked=self._masked,
            window=0 if compressed is False else self._window,
            fragments=fragments,
        )
        await self._background.call(self._send(shown(message), made))

    async def expect(self, where: Where = None, *, deadline: float | None = None) -> Received:
        """Return the next message that is so, each once; wait for it if need be.

        Args:
            where: A part of its JSON, its whole text or bytes, or a function that decides about
                the `Received`; None is any message.
            deadline: Seconds; None is `DEADLINE`.

        Raises:
            NothingCame: The seconds have passed, or the connection has ended.
        """

        def nearest(left: list[Received]) -> str:
            return "\n".join(message.difference(where) for message in left[-_NEAREST:])

        return await self._reader.take(
            lambda message: message.is_so(where),
            f"{self}: a message from the bot{'' if where is None else f' with {where!r}'}",
            deadline,
            nearest=nearest,
            over=lambda: f"it has ended: {self._closed[0]}" if self._closed else None,
        )

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
            TypeError: The fault does not strike a WebSocket that is open.
            ConnectionError: It has ended.
        """
        check(fault, Place.WEBSOCKET)
        await self._background.call(self._fail(fault))

    async def ping(self, data: bytes = b"") -> None:
        """Send a ping; what answers it is not waited for.

        Raises:
            ConnectionError: It has ended.
        """
        ping = frames.message(frames.PING, data, masked=self._masked)
        await self._background.call(self._send("a ping", ping))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame; `closed` waits for the end. Do nothing if it has ended.

        A bot has 10 s to answer, and then loses the connection.

        Args:
            code: The code; any number up to 65535 is sent as it is.
            reason: The text beside it.
        """
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
        end = Closed(NO_CLOSE_FRAME)
        try:
            while True:
                message = await self._ws.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._take(Received(message.data, self))
                elif message.type is WSMsgType.PING:
                    await self._pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self.pongs += 1
                else:
                    if message.type is WSMsgType.CLOSE:
                        end = Closed(int(message.data), message.extra or "")
                        await self._answer_close(end)
                    break
        except ConnectionError:
            pass
        finally:
            timeline.note(PLATFORM, f"{self} has ended: {end.code} {end.reason}".rstrip())
            if self._limit is not None:
                self._limit.cancel()
            self._link.close()
            self._closed.append(end)
            self.messages.look_again()

    async def _take(self, received: Received) -> None:
        timeline.note(PLATFORM, f"{self} < {shown(received.data)}")
        self.messages.append(received)
        try:
            await self._answer(received)
        except ConnectionError:
            raise
        except Exception as error:
            self._problems.failed(f"an automatic reply of {self}", error)

    async def _answer(self, received: Received) -> None:
        for automatic in (*self._automatic, *self._common):
            step = automatic.replies.next() if received.is_so(automatic.where) else None
            if step is not None:
                answer = await step.make(received)
                if answer is not None:
                    await received.reply(answer)
                return

    async def _pong(self, data: bytes) -> None:
        self.pings += 1
        if self._answers_pings:
            await self._link.send(frames.message(frames.PONG, data, masked=self._masked))

    async def _answer_close(self, end: Closed) -> None:
        if self._has_closed:
            return
        self._has_closed = True
        # A close frame without a code has 1005 here, which must not be sent (section 7.4.1).
        code = 1000 if end.code in (0, 1005) else end.code
        await self._link.send(frames.close(code, "", masked=self._masked))

    async def _send(self, text: str, made: bytes) -> None:
        if self._closed or self._has_closed:
            raise ConnectionError(f"{self} has ended")
        timeline.note(PLATFORM, f"{self} > {text}")
        await self._link.send(made)

    async def _close(self, code: int, reason: str) -> None:
        if self._closed or self._has_closed:
            return
        timeline.note(PLATFORM, f"{self}: closes with {code} {reason}".rstrip())
        self._has_closed = True
        with contextlib.suppress(ConnectionError):
            await self._link.send(frames.close(code, reason, masked=self._masked))
        self._limit = asyncio.get_running_loop().call_later(_CLOSING, self._link.close)

    async def _fail(self, fault: Fault) -> None:
        if self._closed:
            raise ConnectionError(f"{self} has ended")
        timeline.note(PLATFORM, f"{self}: {fault}")
        if isinstance(fault, Close):
            await self._end(fault)
        elif isinstance(fault, Cut):
            await self._cut(fault.after)
        elif isinstance(fault, Oversize):
            message = frames.oversize(frames.TEXT, fault.size, masked=self._masked)
            await self._link.send_all(message)
        elif isinstance(fault, Silent):
            self._answers_pings = False
        else:
            await self._link.strike(fault)

    async def _end(self, fault: Close) -> None:
        if fault.code == NO_CLOSE_FRAME:
            self._link.close()
        else:
            await self._close(fault.code, fault.reason)

    async def _cut(self, after: int) -> None:
        """Begin a message, and end the connection in the middle of it."""
        self._link.cut_after(after)
        with contextlib.suppress(ConnectionError):
            await self._link.send(
                frames.message(frames.BINARY, os.urandom(after + 1), masked=self._masked)
            )

    def __str__(self) -> str:
        return f"WebSocket {self.call.connection} {self.call.path}"


async def keep(connection: Connection, greet: Callable[[], Awaitable[None]]) -> None:
    """Read a connection to its end, beside the function that greets the bot."""
    reading = asyncio.create_task(connection.read_to_the_end())
    try:
        await greet()
        await reading
    finally:
        # aiohttp cancels this as soon as the bot has left; what has come before is read yet.
        await asyncio.wait((reading,), timeout=_LAST_WORDS)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


_LAST_WORDS = 1.0
"""Seconds for reading what stands in buffers; only a failure takes them."""
