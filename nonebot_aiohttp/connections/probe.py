"""Counts what arrives on a connection while somebody asks whether its peer is still there.

The answer to a ping cannot overtake a frame (RFC 6455, section 5.4): a peer in the middle of a
large image has no other sign of life than the image's bytes. It guards the rule that a transport
has the protocol afterwards that it had before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def counted_bytes(transport: Any) -> Iterator[ByteCounter]:
    """Count the bytes that a transport brings its protocol, encrypted ones as what they say.

    Args:
        transport: The transport; of one that is None, or has gone, nothing is counted.

    Yields:
        The counter.
    """
    protocol = protocol_of(transport)
    buffered = isinstance(protocol, asyncio.BufferedProtocol)
    counter = BufferedCounter(protocol) if buffered else StreamCounter(protocol)
    if protocol is not None:
        transport.set_protocol(counter)
    try:
        yield counter
    finally:
        # One that has gone meanwhile has let go of its protocol, and shall keep none alive.
        if protocol_of(transport) is counter:
            transport.set_protocol(protocol)


def protocol_of(transport: Any) -> Any:
    """Ask a transport for its protocol.

    Args:
        transport: The transport, if there is one.

    Returns:
        The protocol; None for a transport that has gone, or cannot be asked.
    """
    try:
        return transport.get_protocol()
    except (AttributeError, NotImplementedError):
        # A transport of TLS that was closed twice, on CPython 3.11 to 3.13, or one that has none.
        return None


class ByteCounter(asyncio.BaseProtocol):
    """Stands in front of a protocol, and hands on all that the transport says.

    Attributes:
        count: Bytes that have come so far.
    """

    def __init__(self, protocol: Any) -> None:
        """Begin with nothing.

        Args:
            protocol: The protocol behind it.
        """
        self.count = 0
        self._protocol = protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._protocol.resume_writing()

    def eof_received(self) -> bool | None:
        """Hand it on."""
        answer: bool | None = self._protocol.eof_received()
        return answer


class StreamCounter(ByteCounter, asyncio.Protocol):
    """Stands in front of a protocol that is given bytes, as aiohttp's are."""

    def data_received(self, data: bytes) -> None:
        """Count, and hand on."""
        self.count += len(data)
        self._protocol.data_received(data)


class BufferedCounter(ByteCounter, asyncio.BufferedProtocol):
    """Stands in front of a protocol that gives a buffer for the bytes."""

    def get_buffer(self, sizehint: int) -> Any:
        """Hand it on."""
        return self._protocol.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Count, and hand on."""
        self.count += nbytes
        self._protocol.buffer_updated(nbytes)
