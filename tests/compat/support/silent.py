"""A WebSocket server that never answers a ping, and a client that does not either."""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Shake hands, then read and say nothing until the peer is gone."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        keys = [value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key"]
        digest = base64.b64encode(hashlib.sha1(keys[0] + _GUID).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + digest + b"\r\n\r\n"
        )
        while await reader.read(65536):
            pass
    writer.close()


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Run the server and give its URL."""
    server = await asyncio.start_server(_accept, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@asynccontextmanager
async def silent_client(port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Open a WebSocket to a local port, and answer nothing that comes over it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    try:
        yield reader
    finally:
        writer.close()
