"""``Listener``: a port of 127.0.0.1 that bots connect to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from ..common.owned import own
from ..common.timeline import PLATFORM, timeline
from .links import bound_socket

Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
"""Serves a connection, which is over when it returns."""


class Listener:
    """A port, which stays the same when it refuses connections for a while.

    Attributes:
        port: The port; 0 before it was opened first.
    """

    def __init__(self, serve: Serving, failed: Callable[[str, Exception], None]) -> None:
        """Take what serves each connection, and what is told when that has failed."""
        self.port = 0
        self._serve = serve
        self._failed = failed
        self._listening: socket.socket | None = None
        self._reserved: socket.socket | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Accept connections.

        Raises:
            OSError: Another process has taken the port.
        """
        listening = self._reserved or bound_socket(self.port)
        self._reserved = None
        try:
            listening.listen(128)
        except OSError:
            listening.close()
            raise
        self._listening = listening
        self.port = listening.getsockname()[1]
        # Not asyncio's server, to which a connection may come yet after it was closed.
        asyncio.get_running_loop().add_reader(listening, self._accept)

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._listening is not None

    async def shut(self) -> None:
        """Refuse connections from now on, end those that are open, and keep the port.

        Nothing if it is not open.
        """
        if self._listening is None:
            return
        self._stop_listening()
        # At once, so that nobody else takes the port. Some systems want the connections to be gone.
        with contextlib.suppress(OSError):
            self._reserved = bound_socket(self.port)
        await self._end_connections()
        if self._reserved is None:
            self._reserved = bound_socket(self.port)

    async def close(self) -> None:
        """Give the port back, and end the connections."""
        self._stop_listening()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        await self._end_connections()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    async def _end_connections(self) -> None:
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
        transport: asyncio.Transport | None = None
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, raw)
            # Kept until the connection is closed: a writer that is dropped before warns.
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            timeline.note(PLATFORM, f"a connection broke: {error!r}")
        except Exception as error:
            # It is the kit's own, and nobody else would hear of it.
            self._failed("what serves a connection", error)
        finally:
            if transport is not None:
                transport.abort()
