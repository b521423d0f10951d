"""``Relay``: the way of one webhook or one WebSocket from the platform to the bot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from yarl import URL

from .faults import Cut, Fault, Garbage, HalfOpen, Hang, Reset
from .links import Link
from .listeners import Listener

_BEGUN = 20
"""Bytes of a request that the bot has got when a fault strikes: it has begun to come."""

_CHUNK = 1 << 16

_END_OF_HEAD = b"\r\n\r\n"


class Relay:
    """Stands between the platform's client and the bot, and lets a fault strike.

    Attributes:
        url: Where the client has to connect.
        host: The value of ``Host``, which is the bot's own.
        refusal: The body of the bot's answer to a handshake, if that is a refusal.
    """

    def __init__(
        self,
        url: URL,
        fault: Fault | None,
        has_body: bool,
        failed: Callable[[str, Exception], None],
    ) -> None:
        """Take where the bot is, what goes wrong, whether what is sent has a body, and who is told.

        Args:
            failed: What is told when the relay itself has failed.
        """
        self.url = url
        self.host = url.raw_authority.rpartition("@")[2]
        self.refusal = b""
        self._bot = url
        self._fault = fault
        self._has_body = has_body
        self._link: Link | None = None
        self._listener = Listener(self._serve, failed)

    async def open(self) -> None:
        """Listen for the client."""
        await self._listener.open()
        self.url = self._bot.with_host("127.0.0.1").with_port(self._listener.port)

    async def close(self) -> None:
        """End the connection, and listen no longer."""
        await self._listener.close()

    @property
    def link(self) -> Link:
        """The connection to the bot."""
        assert self._link is not None
        return self._link

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bot_reader, bot = await asyncio.open_connection(self._bot.host, self._bot.port)
        try:
            self._link = link = Link(1, bot, bot_reader)
            if not await self._strike(link, reader):
                # A client that is refused does not wait for the body.
                first = self._read_answer if self._bot.scheme == "ws" else None
                await link.join(reader, writer, first)
        finally:
            bot.transport.abort()

    async def _strike(self, link: Link, reader: asyncio.StreamReader) -> bool:
        """Let the fault happen; tell whether the connection is over."""
        fault = self._fault
        if isinstance(fault, Reset | Hang):
            await link.send((await reader.read(_CHUNK))[:_BEGUN])
            if isinstance(fault, Reset):
                link.reset()
            else:
                await link.until_the_bot_leaves()
            return True
        if isinstance(fault, Garbage):
            await reader.read(1)
            await link.send(fault.data)
        elif isinstance(fault, HalfOpen):
            await link.pass_head(reader)
            link.hold()
        elif fault is not None:
            # What is encrypted is cut anywhere, and so is what has no body.
            if isinstance(fault, Cut) and self._has_body and self._bot.scheme == "http":
                await link.pass_head(reader)
            await link.strike(fault)
        return False

    async def _read_answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(_END_OF_HEAD)
        if head.split(b" ", 2)[1] == b"101":
            return head
        fields = dict(_fields(head))
        if "chunked" in fields.get("transfer-encoding", ""):
            self.refusal = await _read_chunks(reader)
        elif (length := fields.get("content-length")) is not None:
            self.refusal = await reader.readexactly(int(length))
        else:
            self.refusal = await reader.read()
        return head


def _fields(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode("latin-1").splitlines()[1:]:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    return body
