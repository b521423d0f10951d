"""``Writer``: a WebSocket connection that writes frames as fast as the other end reads them."""

from __future__ import annotations

import asyncio
import struct

from picows import WSListener, WSTransport

NO_MASK = bytes(4)
"""A masking key that does not change the payload, for frames encoded during a measurement."""


def encode_frame(payload: bytes, mask: bytes | None) -> bytes:
    """Encode a text frame of at most 65,535 bytes (RFC 6455, section 5.2); a server has no mask."""
    size, masked = len(payload), 0 if mask is None else 0x80
    if size < 126:
        header = struct.pack("!BB", 0x81, masked | size)
    else:
        header = struct.pack("!BBH", 0x81, masked | 126, size)
    if mask is None:
        return header + payload
    if mask != NO_MASK:
        repeated = (mask * (size // 4 + 1))[:size]
        xored = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
        payload = xored.to_bytes(size, "big")
    return header + mask + payload


class Writer(WSListener):
    """A connection that stops writing while the other end is behind with reading."""

    def __init__(self) -> None:
        super().__init__()
        self._writable = asyncio.Event()
        self._writable.set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def pause_writing(self) -> None:
        """Stop writing, because the other end is behind with reading."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Write encoded frames, and wait until there is room for more."""
        self.transport.underlying_transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()
