"""``Listener``: a port of 127.0.0.1 that bots connect to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from .links import bound_socket
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
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Accept connections.

        Raises:
            OSError: Another process has taken the port.
        """
        listening = self._reserved or bound_socket(self.port)
        self._reserved = None
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listening, backlog=128)

    async def shut(self) -> None:
        """Refuse connections from now on, end those that are open, and keep the port."""
        await self.close()
        self._reserved = bound_socket(self.port)

    async def close(self) -> None:
        """Give the port back, and end the connections."""
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

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.get_running_loop().create_task(self._handle(reader, writer))
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
        # A handler that is cancelled before it begins does not close its connection.
        handler.add_done_callback(lambda _: writer.transport.abort())

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            timeline.note(PLATFORM, f"a connection broke: {error!r}")
