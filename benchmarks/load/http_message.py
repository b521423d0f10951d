"""``MessageProtocol``: a connection on which HTTP messages arrive one after the other."""

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
        """Collect bytes until the message is complete."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) >= content_length(head):
            self._buffer = b""
            self.take(head, body)

    @abc.abstractmethod
    def take(self, head: bytes, body: bytes) -> None:
        """Handle a complete message."""


def content_length(head: bytes) -> int:
    """Return the ``Content-Length`` of the head of an HTTP message; 0 if it is missing."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
