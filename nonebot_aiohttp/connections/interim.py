"""``BoundedResponse``: an answer that never gets beyond ``103 Early Hints`` keeps nobody waiting.

aiohttp reads what comes before the answer proper (RFC 9110, section 15.2) as fast as it comes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp

MOST_INTERIM = 256 * 1024
"""Bytes that may come before the answer proper."""

# A transport that has closed may have none, or be none: that of TLS loses what it stands on.
_UNLESS_GONE = suppress(AttributeError, RuntimeError)


class BoundedResponse(aiohttp.ClientResponse):
    """aiohttp's response, with a bound on what comes before it."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Read the head of the answer; see ``aiohttp.ClientResponse``.

        Raises:
            aiohttp.ServerDisconnectedError: Too much came before it.
        """
        guard = _Guard.put_before(connection.protocol, connection.transport)
        try:
            return await super().start(connection)
        finally:
            guard.remove()


class _Guard(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol until the head of the answer is read."""

    def __init__(self, protocol: Any, transport: Any) -> None:
        self._protocol = protocol
        self._transport = transport
        self._size = 0
        self._stands = False

    @classmethod
    def put_before(cls, protocol: Any, transport: Any) -> _Guard:
        guard = cls(protocol, transport)
        with _UNLESS_GONE:
            if transport.get_protocol() is protocol:
                transport.set_protocol(guard)
                guard._stands = True
        return guard

    def remove(self) -> None:
        if self._stands:
            self._stands = False
            # One that has gone may keep it, for it hands everything on.
            with _UNLESS_GONE:
                self._transport.set_protocol(self._protocol)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        self._protocol.data_received(data)
        if self._stands and self._size > MOST_INTERIM:
            with _UNLESS_GONE:
                self._give_a_turn()

    def _give_a_turn(self) -> None:
        # One who has paused the reading himself takes no more before he has a reader.
        if self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Go on with an answer that has come; who reads it had a turn before this."""
        with _UNLESS_GONE:
            if self._stands:
                self._transport.abort()
            else:
                self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def eof_received(self) -> Any:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()
