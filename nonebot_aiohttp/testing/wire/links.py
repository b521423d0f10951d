"""``Link``: a connection between the platform and the bot, whose bytes pass through the kit.

A platform speaks HTTP and WebSocket as any other, by aiohttp. Between it and the bot stands a relay
on loopback, and what goes wrong on a wire goes wrong there: it resets a connection, holds what it
should forward, cuts it short, or sends bytes that nobody has meant.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable

from ..common.owned import own
from .faults import Cut, Fault, Garbage, HalfOpen, Hang, Reset, Slow

_CHUNK = 1 << 16

_END_OF_HEAD = b"\r\n\r\n"

_ERRORS = (ConnectionError, EOFError, OSError, asyncio.LimitOverrunError)
"""What reading and writing raise when an end has left."""


class Link:
    """One connection: to the bot on one side, to the platform's own server or client on the other.

    Attributes:
        number: Its number among the connections of its relay, from 1.
        ended: Set when both sides have been closed.
        passed: Set each time that something has been forwarded to the bot.
    """

    def __init__(self, number: int, bot: asyncio.StreamWriter, bot_reader: asyncio.StreamReader):
        """Begin with the connection to the bot; `join` brings that to the platform."""
        self.number = number
        self.ended = asyncio.Event()
        self.passed = asyncio.Event()
        self._bot = bot
        self._bot_reader = bot_reader
        self._is_mute = False
        self._from_bot = asyncio.Event()
        self._from_bot.set()
        self._sending = asyncio.Lock()
        self._left: int | None = None
        self._pace: float | None = None

    async def join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        first: Callable[[asyncio.StreamReader], Awaitable[bytes]] | None = None,
    ) -> None:
        """Forward in both directions until one of them has ended or breaks.

        Args:
            reader: What comes from the platform.
            writer: What goes to the platform.
            first: Reads what the bot sends first, and returns what is forwarded of it.
        """
        towards = asyncio.create_task(self._towards(reader))
        back = asyncio.create_task(self._back(writer, first))
        try:
            await asyncio.wait((towards, back), return_when=asyncio.FIRST_COMPLETED)
            await self.finish()
        finally:
            for task in (towards, back):
                task.cancel()
            # Nothing is waited for before this, because this task may be cancelled again.
            writer.transport.abort()
            self.ended.set()
            await asyncio.gather(towards, back, return_exceptions=True)

    async def _towards(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(*_ERRORS):
            while data := await reader.read(_CHUNK):
                await self.send(data)
                self.passed.set()
            if self._is_mute:
                await asyncio.Event().wait()

    async def _back(
        self,
        writer: asyncio.StreamWriter,
        first: Callable[[asyncio.StreamReader], Awaitable[bytes]] | None,
    ) -> None:
        with contextlib.suppress(*_ERRORS):
            if first is not None:
                writer.write(await first(self._bot_reader))
            while data := await self._bot_reader.read(_CHUNK):
                await self._from_bot.wait()
                writer.write(data)
                await writer.drain()

    async def send(self, *pieces: bytes) -> None:
        """Send bytes to the bot as they are; what is forwarded comes here, too.

        Raises:
            ConnectionError: The connection has ended.
        """
        await self.send_all(pieces)

    async def send_all(self, pieces: Iterable[bytes]) -> None:
        """Send bytes, with nothing else between the pieces; see `send`."""
        async with self._sending:
            for piece in pieces:
                await self._send(piece)

    async def _send(self, data: bytes) -> None:
        if self._bot.is_closing():
            raise ConnectionResetError("the connection has ended")
        if self._is_mute:
            return
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if self._pace is None:
            self._bot.write(data)
            await self._bot.drain()
        else:
            await self._send_slowly(data, self._pace)
        if self._left == 0:
            self.close()
            raise ConnectionAbortedError("the connection was cut here")

    async def _send_slowly(self, data: bytes, pace: float) -> None:
        """Send byte by byte; several at once where the machine is behind the pace."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        sent = 0
        while sent < len(data):
            due = max(sent + 1, int((loop.time() - begun) * pace))
            self._bot.write(data[sent:due])
            await self._bot.drain()
            sent = due
            # Not a wait for something: the pace is the fault.
            await asyncio.sleep(1 / pace)

    async def pass_head(self, reader: asyncio.StreamReader) -> None:
        """Forward the head of a message (RFC 9112, section 2.1), and nothing behind it."""
        await self.send(await reader.readuntil(_END_OF_HEAD))

    async def strike(self, fault: Fault) -> None:
        """Let a fault happen that is about bytes, and not about what they say."""
        if isinstance(fault, Reset):
            self.reset()
        elif isinstance(fault, HalfOpen):
            self.hold()
        elif isinstance(fault, Hang):
            self.mute()
        elif isinstance(fault, Slow):
            self.slow_down(fault.pace)
        elif isinstance(fault, Cut):
            self.cut_after(fault.after)
        elif isinstance(fault, Garbage):
            await self.send(fault.data)

    def hold(self) -> None:
        """Forward nothing more, either way; the connection stays open."""
        self._is_mute = True
        self._from_bot.clear()

    def mute(self) -> None:
        """Forward nothing more to the bot; what it sends still comes."""
        self._is_mute = True

    def cut_after(self, count: int) -> None:
        """End the connection when so many more bytes have gone to the bot."""
        self._left = count
        if not count:
            self.close()

    def slow_down(self, pace: float) -> None:
        """Send to the bot byte by byte, so many in a second."""
        self._pace = pace

    def reset(self) -> None:
        """End the connection to the bot with RST; bytes that are not sent are lost."""
        raw = self._bot.get_extra_info("socket")
        if raw is not None:
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()

    def close(self) -> None:
        """End the connection to the bot with FIN, when all is sent."""
        self._bot.close()

    async def finish(self) -> None:
        """End the connection to the bot with FIN, and wait until it has got all that was sent."""
        self.close()
        with contextlib.suppress(*_ERRORS):
            await self._bot.wait_closed()

    def abort(self) -> None:
        """End the connection to the bot at once."""
        self._bot.transport.abort()

    async def until_the_bot_leaves(self) -> None:
        """Read what the bot sends until it has ended the connection."""
        with contextlib.suppress(*_ERRORS):
            while await self._bot_reader.read(_CHUNK):
                pass


def bound_socket(port: int) -> socket.socket:
    """Return a socket that is bound but does not listen: connections to it are refused."""
    bound = own(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    try:
        bound.setblocking(False)
        # On Windows this option would let another process take the port.
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


async def secured(
    writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Serve TLS over a connection; the writer has to be kept as long as the new ones are used.

    Raises:
        OSError: The client has broken off the handshake, such as because of the certificate.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport = await loop.start_tls(writer.transport, protocol, context, server_side=True)
    if transport is None:
        raise ConnectionResetError("the client has left")
    protocol.connection_made(transport)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
