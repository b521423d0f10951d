"""``DrainingConnections``: the connections of a server that ends, until they have sent everything.

It guards the promise that a stop lets go of every connection, and of none too early.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

FLUSH_PAUSE = 0.01
"""Seconds between looks at what is still unsent: a transport tells nobody when it has sent all."""

LAST_TURNS = 0.1
"""Seconds that transports get to notice that they were dropped."""


class DrainingConnections:
    """The connections of a server that ends.

    It knows them from before they are closed, because of TLS: on CPython 3.11 to 3.13 a transport
    of asyncio's own loop that was closed twice, as aiohttp does, has lost its protocol. Then it
    can neither say what is unsent nor be aborted, except through its socket.
    """

    def __init__(self) -> None:
        self._connections: list[_Connection] = []

    def add(self, transports: Iterable[asyncio.Transport | None]) -> None:
        """Add the connections that are open; None stands for one that has gone."""
        self._connections += [_Connection(each) for each in transports if each is not None]

    async def finish(self, timeout: float) -> int:
        """Wait up to ``timeout`` seconds until everything is sent, then drop the connections.

        Returns:
            How many were dropped with something unsent.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self.unsent() and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(FLUSH_PAUSE)
        unsent = self.unsent()
        unreachable = [each for each in self._connections if not each.drop()]
        deadline = loop.time() + LAST_TURNS
        await asyncio.sleep(0)
        while any(each.is_open for each in unreachable) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(FLUSH_PAUSE)
        return unsent

    def unsent(self) -> int:
        """Count the connections that have something to send, and remember which they are."""
        return sum(each.has_unsent() for each in self._connections)


class _Connection:
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._had_unsent = False
        self._socket: Any = None
        with suppress(AttributeError):
            self._socket = transport.get_extra_info("socket")

    @property
    def is_open(self) -> bool:
        """Whether the socket is open; asked only where the transport has lost its protocol."""
        return self._socket is not None and self._socket.fileno() != -1

    def has_unsent(self) -> bool:
        """Tell whether there is something to send."""
        with suppress(AttributeError):
            self._had_unsent = self._transport.get_write_buffer_size() > 0
            return self._had_unsent
        # The transport cannot say. What it had before may be sent by the time its socket closes.
        return self._had_unsent and self.is_open

    def drop(self) -> bool:
        """Drop the transport; tell whether it could be reached, or only its socket."""
        with suppress(AttributeError):
            self._transport.get_write_buffer_size()
            self._transport.abort()
            return True
        if self.is_open:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        return False
