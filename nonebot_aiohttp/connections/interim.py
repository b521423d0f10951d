"""``BoundedResponse``: limits the interim answers (``103 Early Hints``) before an answer.

aiohttp reads interim answers (RFC 9110, section 15.2) without a limit, so that a server that sends
nothing else keeps a caller waiting for ever.
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
"""Bytes of interim answers before the final one."""

# The errors of a TLS transport whose connection is lost.
_GONE = (AttributeError, RuntimeError)


class BoundedResponse(aiohttp.ClientResponse):
    """aiohttp's response, which limits its interim answers if its connection has a guard."""

    def start(self, connection: Any) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Read the head of the answer; see ``aiohttp.ClientResponse``.

        Raises:
            aiohttp.ServerDisconnectedError: There were too many interim answers.
        """
        guard = protocol_of(connection.transport)
        if type(guard) is _Guard:
            guard.expect(self)
        # Not a coroutine around it, because each API call comes here.
        return super().start(connection)


def guard(connection: Any) -> None:
    """Put a guard on a connection of the connector, unless it has one; it stays there."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is not None and protocol_of(transport) is protocol:
        transport.set_protocol(_Guard(protocol, transport))


class _Guard(StreamCounter):
    """Counts the bytes of interim answers."""

    def __init__(self, protocol: Any, transport: Any) -> None:
        super().__init__(protocol)
        self._transport = transport
        self._expected: Callable[[], aiohttp.ClientResponse | None] = _nothing

    def expect(self, response: aiohttp.ClientResponse) -> None:
        """Count from now on the bytes until the final answer."""
        # Weak, because an idle connection must not keep an answer alive.
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
                    self._look_soon()

    def _is_waiting(self) -> bool:
        response = self._expected()
        if response is not None and response.status == 101:
            self._step_aside()
        return response is not None and response.status is None

    def _step_aside(self) -> None:
        """Remove the guard from a WebSocket, on which no more answers come."""
        if protocol_of(self._transport) is self:
            self._transport.set_protocol(self._protocol)

    def _look_soon(self) -> None:
        """Pause the reading until the reader of the answer had a turn of the event loop."""
        # If aiohttp has paused the reading, it goes on only when somebody reads the answer.
        if self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Resume the reading if the final answer has come; otherwise drop the connection."""
        with suppress(*_GONE):
            if self._is_waiting():
                self._transport.abort()
            else:
                self._transport.resume_reading()


def _nothing() -> None:
    return None
