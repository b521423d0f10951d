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
from collections.abc import Awaitable, Callable

_CHUNK = 1 << 16

_ERRORS = (ConnectionError, EOFError, OSError, ssl.SSLError)
"""What reading and writing raise when an end has left."""


class Link:
    """One connection: to the bot on one side, to the platform's own server or client on the other.

    Attributes:
        number: Its number among the connections of its relay, from 1.
        ended: Set when both sides have been closed.
    """

    def __init__(self, number: int, bot: asyncio.StreamWriter, bot_reader: asyncio.StreamReader):
        """Begin with the connection to the bot; `join` brings that to the platform."""
        self.number = number
        self.ended = asyncio.Event()
        self._bot = bot
        self._bot_reader = bot_reader
        self._free = asyncio.Event()
        self._free.set()
        self._left: int | None = None
        self._pace: float | None = None

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward in both directions until both have ended, or one of them breaks."""
        towards = asyncio.create_task(self._forward(reader, self.send))
        back = asyncio.create_task(self._forward(self._bot_reader, _sending(writer)))
        try:
            await asyncio.wait((towards, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (towards, back):
                task.cancel()
            await asyncio.gather(towards, back, return_exceptions=True)
            self.close()
            writer.close()
            with contextlib.suppress(*_ERRORS):
                await writer.wait_closed()
            self.ended.set()

    async def _forward(
        self, reader: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        with contextlib.suppress(*_ERRORS):
            while data := await reader.read(_CHUNK):
                await self._free.wait()
                await send(data)

    async def send(self, data: bytes) -> None:
        """Send bytes to the bot as they are; what is forwarded comes here, too."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if self._pace is None:
            self._bot.write(data)
            await self._bot.drain()
        else:
            for byte in data:
                self._bot.write(bytes((byte,)))
                await self._bot.drain()
                # Not a wait for something: the pace is the fault.
                await asyncio.sleep(1 / self._pace)
        if self._left == 0:
            raise ConnectionAbortedError("the link was cut here")

    def hold(self) -> None:
        """Forward nothing more, either way; the connection stays open."""
        self._free.clear()

    def release(self) -> None:
        """Forward again, what was held first."""
        self._free.set()

    def cut_after(self, count: int) -> None:
        """End the connection when so many more bytes have gone to the bot."""
        self._left = count

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
        self._bot.transport.abort()

    def close(self) -> None:
        """End the connection to the bot with FIN."""
        self._bot.close()

    async def until_the_bot_leaves(self) -> None:
        """Wait until the connection has ended."""
        await self.ended.wait()


def _sending(writer: asyncio.StreamWriter) -> Callable[[bytes], Awaitable[None]]:
    async def send(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return send
