"""``Door``: where the bot's connections come in, and where faults strike them."""

from __future__ import annotations

import asyncio
from collections import deque

from ..common.timeline import PLATFORM, timeline
from .certificates import Certificates
from .faults import Cut, ExpiredCertificate, Fault, Garbage, HalfOpen, Hang, Reset, Slow
from .links import Link, secured


class Door:
    """Relays the bot's connections to the platform's own server.

    Attributes:
        script: What happens to the next connections, one after the other; None is nothing bad.
        target: The port of the platform's own server.
        certificates: What it speaks TLS with; None without TLS.
    """

    def __init__(self) -> None:
        """Begin without a fault."""
        self.script: deque[Fault | None] = deque()
        self.target = 0
        self.certificates: Certificates | None = None
        self._links: dict[int, Link] = {}
        self._faults: dict[Link, Fault] = {}
        self._missed: list[Fault] = []
        self._count = 0

    @property
    def unused(self) -> list[Fault]:
        """The faults that have struck nothing."""
        return [*self._missed, *(fault for fault in self.script if fault is not None)]

    def link_from(self, port: int) -> Link:
        """Return the link whose connection to the server comes from a port."""
        return self._links[port]

    def fault_of(self, link: Link, *kinds: type[Fault]) -> Fault | None:
        """Take what the script says about the first answer or the WebSocket of a connection."""
        if isinstance(self._faults.get(link), kinds):
            return self._faults.pop(link)
        return None

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes = b""
    ) -> None:
        """Relay a connection, of which a proxy may have read the head of a request already."""
        await self._relay(reader, writer, self._next_fault(secure=False), head)

    async def serve_secure(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay a connection, with TLS towards the bot."""
        assert self.certificates is not None
        fault = self._next_fault(secure=True)
        if isinstance(fault, ExpiredCertificate):
            timeline.note(PLATFORM, f"a connection: {fault}")
            inside = await secured(writer, self.certificates.expired)
            fault = None
        else:
            inside = await secured(writer, self.certificates.context)
        try:
            await self._relay(*inside, fault)
        finally:
            inside[1].transport.abort()

    def _next_fault(self, *, secure: bool) -> Fault | None:
        if not self.script:
            return None
        if isinstance(self.script[0], ExpiredCertificate) and not secure:
            # It waits for a connection that has a certificate.
            return None
        return self.script.popleft()

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fault: Fault | None,
        head: bytes = b"",
    ) -> None:
        self._count += 1
        link = Link(self._count, writer, reader)
        try:
            if fault is not None:
                timeline.note(PLATFORM, f"connection {link.number}: {fault}")
                if await self._strike(link, reader, fault):
                    return
            await self._join(link, head)
        finally:
            if link in self._faults:
                self._missed.append(self._faults.pop(link))
            link.ended.set()

    async def _join(self, link: Link, head: bytes) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        port = to_server.get_extra_info("sockname")[1]
        self._links[port] = link
        try:
            to_server.write(head)
            await link.join(from_server, to_server)
        finally:
            del self._links[port]

    async def _strike(self, link: Link, reader: asyncio.StreamReader, fault: Fault) -> bool:
        """Let a fault happen; tell whether the connection is over."""
        if isinstance(fault, Hang):
            await link.until_the_bot_leaves()
        elif isinstance(fault, HalfOpen):
            # Not even the bot's FIN comes through.
            await asyncio.Event().wait()
        elif isinstance(fault, Garbage):
            await reader.read(1)
            await link.send(fault.data)
            await link.finish()
        elif isinstance(fault, Reset | Slow | Cut):
            await link.strike(fault)
            return isinstance(fault, Reset)
        else:
            self._faults[link] = fault
            return False
        return True
