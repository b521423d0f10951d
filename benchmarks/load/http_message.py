"""``MessageProtocol``: a connection on which HTTP messages come one after the other."""

from __future__ import annotations

import abc
import asyncio
from typing import cast


class MessageProtocol(asyncio.Protocol, abc.ABC):
    """Collects a message, and passes it on when it is complete."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not isinstance: uvloop's TLS transport is not a subclass of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Collect."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) >= content_length(head):
            self._buffer = b""
            self.take(head, body)

    @abc.abstractmethod
    def take(self, head: bytes, body: bytes) -> None:
        """Take a message."""


def content_length(head: bytes) -> int:
    """Return the length that the head of an HTTP message announces, 0 when it announces none."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
