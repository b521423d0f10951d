"""``BoundedResponse``: an answer that never gets beyond ``103 Early Hints`` keeps nobody waiting.

aiohttp reads what comes before the answer proper (RFC 9110, section 15.2) as fast as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from weakref import ref

import aiohttp

MOST_INTERIM = 256 * 1024
"""Bytes that may come before the answer proper."""

# A transport that has closed may have none, or be none: that of TLS loses what it stands on.
_GONE = (AttributeError, RuntimeError)


class BoundedResponse(aiohttp.ClientResponse):
    """aiohttp's response, with a bound on what comes before it on a guarded connection."""

    def start(self, connection: Any) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Read the head of the answer; see ``aiohttp.ClientResponse``.

        Raises:
            aiohttp.ServerDisconnectedError: Too much came before it.
        """
        try:
            guard = connection.transport.get_protocol()
            if type(guard) is _Guard:
                guard.expect(self)
        except _GONE:
            pass
        # No coroutine around it: each call of an API comes here.
        return super().start(connection)


def guard(connection: Any) -> None:
    """Put a guard before a connection of a connector's, which stays until its end.

    Args:
        connection: The connection; one that has a guard keeps it.
    """
    try:
        protocol = connection.protocol
        if connection.transport.get_protocol() is protocol:
            connection.transport.set_protocol(_Guard(protocol, connection.transport))
    except _GONE:
        pass


class _Guard(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol, and hands everything on."""

    def __init__(self, protocol: Any, transport: Any) -> None:
        self._protocol = protocol
        self._transport = transport
        self._expected: Callable[[], aiohttp.ClientResponse | None] = _nothing
        self._size = 0

    def expect(self, response: aiohttp.ClientResponse) -> None:
        """Count from now on what comes before a response."""
        # Weak, for an idle connection keeps no answer alive.
        self._expected = ref(response)
        self._size = 0

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)
        if self._expected is not _nothing:
            self._size += len(data)
            if self._size > MOST_INTERIM:
                with suppress(*_GONE):
                    self._give_a_turn()

    def _give_a_turn(self) -> None:
        # One who has paused the reading himself takes no more before he has a reader.
        if self._is_waiting() and self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._look)

    def _is_waiting(self) -> bool:
        response = self._expected()
        if response is not None and response.status is None:
            return True
        self._expected = _nothing
        return False

    def _look(self) -> None:
        """Go on with an answer that has come; who reads it had a turn before this."""
        with suppress(*_GONE):
            if self._is_waiting():
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


def _nothing() -> None:
    return None
