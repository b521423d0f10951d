"""``Listener``: a port of 127.0.0.1 that bots connect to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from .links import bound_socket
from .owned import own
from .timeline import PLATFORM, timeline

Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
"""Serves a connection, which is over when it returns."""


class Listener:
    """A port, which stays the same when it refuses connections for a while.

    Attributes:
        port: The port; 0 before it was opened first.
    """

    def __init__(self, serve: Serving) -> None:
        """Take what serves each connection."""
        self.port = 0
        self._serve = serve
        self._listening: socket.socket | None = None
        self._reserved: socket.socket | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Accept connections.

        Raises:
            OSError: Another process has taken the port.
        """
        self._listening = self._reserved or bound_socket(self.port)
        self._reserved = None
        self.port = self._listening.getsockname()[1]
        self._listening.listen(128)
        # Not asyncio's server, to which a connection may come yet after it was closed.
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    async def shut(self) -> None:
        """Refuse connections from now on, end those that are open, and keep the port."""
        await self.close()
        self._reserved = bound_socket(self.port)

    async def close(self) -> None:
        """Give the port back, and end the connections."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        handlers = list(self._handlers)
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            raw, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # The client has left already.
        own(raw).setblocking(False)
        handler = asyncio.get_running_loop().create_task(self._handle(raw))
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
        # A handler that is cancelled before it begins does not close its connection.
        handler.add_done_callback(lambda _: raw.close())

    async def _handle(self, raw: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, raw)
        # Kept until the connection is closed: a writer that is dropped before warns.
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            timeline.note(PLATFORM, f"a connection broke: {error!r}")
        finally:
            writer.transport.abort()
