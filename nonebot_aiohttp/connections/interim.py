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

from .probe import StreamCounter, protocol_of

MAX_INTERIM = 256 * 1024
"""Bytes that may come before the answer proper."""

# What a transport of TLS raises that has lost what it stands on.
_GONE = (AttributeError, RuntimeError)


class BoundedResponse(aiohttp.ClientResponse):
    """aiohttp's response, with a bound on what comes before it on a guarded connection."""

    def start(self, connection: Any) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Read the head of the answer; see ``aiohttp.ClientResponse``.

        Raises:
            aiohttp.ServerDisconnectedError: Too much came before it.
        """
        guard = protocol_of(connection.transport)
        if type(guard) is _Guard:
            guard.expect(self)
        # No coroutine around it: each call of an API comes here.
        return super().start(connection)


def guard(connection: Any) -> None:
    """Put a guard before a connection of a connector's, which stays until its end.

    Args:
        connection: The connection; one that has a guard keeps it.
    """
    protocol, transport = connection.protocol, connection.transport
    if protocol is not None and protocol_of(transport) is protocol:
        transport.set_protocol(_Guard(protocol, transport))


class _Guard(StreamCounter):
    """Counts what comes before the answer proper."""

    def __init__(self, protocol: Any, transport: Any) -> None:
        super().__init__(protocol)
        self._transport = transport
        self._expected: Callable[[], aiohttp.ClientResponse | None] = _nothing

    def expect(self, response: aiohttp.ClientResponse) -> None:
        """Count from now on what comes before a response."""
        # Weak, for an idle connection keeps no answer alive.
        self._expected = ref(response)
        self.count = 0

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)
        if self._expected is not _nothing:
            self.count += len(data)
            if not self._is_waiting():
                self._expected = _nothing
            elif self.count > MAX_INTERIM:
                with suppress(*_GONE):
                    self._give_a_turn()

    def _is_waiting(self) -> bool:
        response = self._expected()
        if response is not None and response.status == 101:
            self._step_aside()
        return response is not None and response.status is None

    def _step_aside(self) -> None:
        """Leave a WebSocket to itself: no answer comes on it any more."""
        if protocol_of(self._transport) is self:
            self._transport.set_protocol(self._protocol)

    def _give_a_turn(self) -> None:
        # One who has paused the reading himself takes no more before he has a reader.
        if self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Go on with an answer that has come; who reads it had a turn before this."""
        with suppress(*_GONE):
            if self._is_waiting():
                self._transport.abort()
            else:
                self._transport.resume_reading()


def _nothing() -> None:
    return None
