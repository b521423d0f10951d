"""``Door``: where bots connect to a platform, and where faults strike their connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections import deque

from .faults import (
    Close,
    Cut,
    ExpiredCertificate,
    Fault,
    Garbage,
    HalfOpen,
    Hang,
    Oversize,
    Redirect,
    Reset,
    Silent,
    Slow,
    Status,
)
from .links import Link
from .owned import own
from .timeline import PLATFORM, timeline

ON_ANSWERS = (Status, Redirect, Oversize)
"""Faults of a connection that strike the answer to its first request."""

ON_WEBSOCKETS = (Close, Silent)
"""Faults of a connection that strike the WebSocket that is opened over it."""


class Door:
    """A port of 127.0.0.1, whose connections are relayed to the platform's own server.

    Attributes:
        port: The port, which stays the same when the door is shut and opened again.
        script: What happens to the next connections, one after the other; None is nothing bad.
    """

    def __init__(self, script: deque[Fault | None], context: ssl.SSLContext | None = None) -> None:
        """Without a context it is plain TCP."""
        self.port = 0
        self.script = script
        self._context = context
        self._target = 0
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._links: dict[int, Link] = {}
        self._handlers: set[asyncio.Task[None]] = set()
        self._faults: dict[Link, Fault] = {}
        self._count = 0

    async def open(self, target: int) -> None:
        """Accept connections, and relay them to another port of 127.0.0.1."""
        self._target = target
        listening = self._reserved or bound_socket(self.port)
        self._reserved = None
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(
            self._accept, sock=listening, ssl=self._context, backlog=128
        )

    async def shut(self) -> None:
        """Refuse connections from now on, end those that are open, and keep the port."""
        await self.close()
        self._reserved = bound_socket(self.port)

    async def close(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        handlers = list(self._handlers)
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

    def has_link_from(self, port: int) -> bool:
        """Tell whether a connection to the server comes from here."""
        return port in self._links

    def link_from(self, port: int) -> Link:
        """Return the link whose connection to the server comes from a port."""
        return self._links[port]

    def fault_of(self, link: Link, *kinds: type[Fault]) -> Fault | None:
        """Take what the script says about the first answer or the WebSocket of a connection."""
        if isinstance(self._faults.get(link), kinds):
            return self._faults.pop(link)
        return None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        self._count += 1
        link = Link(self._count, writer, reader)
        try:
            await self._serve(link, reader)
        except OSError as error:
            timeline.note(PLATFORM, f"connection {link.number} broke: {error!r}")
        finally:
            self._handlers.discard(handler)
            self._faults.pop(link, None)
            link.ended.set()
            writer.transport.abort()

    async def _serve(self, link: Link, reader: asyncio.StreamReader) -> None:
        fault = self.script.popleft() if self.script else None
        # A certificate has been shown already, and has brought the fault with it.
        if fault is not None and not isinstance(fault, ExpiredCertificate):
            timeline.note(PLATFORM, f"connection {link.number}: {fault}")
            if await self._strike(link, reader, fault):
                return
        to_server = await asyncio.open_connection("127.0.0.1", self._target)
        port = to_server[1].get_extra_info("sockname")[1]
        self._links[port] = link
        try:
            await link.join(*to_server)
        finally:
            del self._links[port]

    async def _strike(self, link: Link, reader: asyncio.StreamReader, fault: Fault) -> bool:
        """Let a fault happen; tell whether the connection is over."""
        if isinstance(fault, Reset):
            link.reset()
        elif isinstance(fault, Hang):
            await drain(reader)
        elif isinstance(fault, HalfOpen):
            await asyncio.Event().wait()
        elif isinstance(fault, Garbage):
            await reader.read(1)
            await link.send(fault.data)
        else:
            if isinstance(fault, Slow):
                link.slow_down(fault.pace)
            elif isinstance(fault, Cut):
                link.cut_after(fault.after)
            else:
                self._faults[link] = fault
            return False
        return True


async def drain(reader: asyncio.StreamReader) -> None:
    """Read until the other end leaves."""
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


def bound_socket(port: int) -> socket.socket:
    """Return a socket that is bound but does not listen: connections to it are refused."""
    bound = own(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    bound.setblocking(False)
    # On Windows this option would let another process take the port.
    if os.name == "posix":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
