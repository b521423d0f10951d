"""``counted_bytes``: counts the bytes that arrive while ``is_alive`` waits for a sign of life.

The answer to a ping cannot overtake a frame (RFC 6455, section 5.4). While a peer sends a large
image, the bytes of the image are its only sign of life. It guards the rule that a transport has the
same protocol afterwards as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def counted_bytes(transport: Any) -> Iterator[ByteCounter]:
    """Count the decrypted bytes that arrive on a transport; none if it is None or has gone."""
    protocol = protocol_of(transport)
    buffered = isinstance(protocol, asyncio.BufferedProtocol)
    counter = BufferedCounter(protocol) if buffered else StreamCounter(protocol)
    if protocol is not None:
        transport.set_protocol(counter)
    try:
        yield counter
    finally:
        # A transport that has closed has dropped its protocol, and must not keep it alive.
        if protocol_of(transport) is counter:
            transport.set_protocol(protocol)


def protocol_of(transport: Any) -> Any:
    """Return the protocol of a transport; None if the transport is None, has gone or hides it."""
    try:
        return transport.get_protocol()
    except (AttributeError, NotImplementedError):
        # A TLS transport that was closed twice (CPython 3.11 to 3.13), or one without the method.
        return None


class ByteCounter(asyncio.BaseProtocol):
    """Takes the place of a protocol, and passes on everything that the transport reports.

    Attributes:
        count: Bytes that have arrived so far.
    """

    def __init__(self, protocol: Any) -> None:
        self.count = 0
        self._protocol = protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()

    def eof_received(self) -> bool | None:
        """Pass it on."""
        answer: bool | None = self._protocol.eof_received()
        return answer


class StreamCounter(ByteCounter, asyncio.Protocol):
    """Takes the place of a protocol that receives bytes, as aiohttp's do."""

    def data_received(self, data: bytes) -> None:
        """Count the bytes, and pass them on."""
        self.count += len(data)
        self._protocol.data_received(data)


class BufferedCounter(ByteCounter, asyncio.BufferedProtocol):
    """Takes the place of a protocol that provides a buffer for the bytes."""

    def get_buffer(self, sizehint: int) -> Any:
        """Pass it on."""
        return self._protocol.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Count the bytes, and pass them on."""
        self.count += nbytes
        self._protocol.buffer_updated(nbytes)
