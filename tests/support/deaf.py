"""A client that sends requests and never reads the answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def deaf_client(port: int) -> AsyncIterator[socket.socket]:
    """Connect to a port of 127.0.0.1 with small buffers, so that the other side notices soon."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        yield raw


async def send_until_dropped(raw: socket.socket, request: bytes) -> None:
    """Send a request again and again, until the other side has dropped the connection."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            await loop.sock_sendall(raw, request * 10)
            await asyncio.sleep(0.005)
    except ConnectionError:
        pass
