"""The connections of ``stranger_peer``: bare sockets, which do what no client would."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Any

BOT = "99998"
CHUNK = 64 * 1024
"""Bytes that are read or written at once."""
TICK = 0.001
"""Seconds of a wait that does not have to be a wait."""
PATIENCE = 20.0
"""Seconds for what the bot has to do at once."""
SMALL_BUFFER, SEGMENT = 4096, 1400
"""Bytes of the receive buffer of one who does not read, and of segments as they are between hosts:
the system sizes the bot's send buffer by them, and those of the loopback are 64 KiB."""
UPGRADE = (
    b"GET /limit/ws HTTP/1.1\r\nHost: a\r\nX-Self-ID: %b\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CLOSE = 8
"""The opcode of a closing frame (RFC 6455, section 5.2)."""


async def connect(port: int, deaf: bool = False) -> socket.socket:
    """Open a connection, not blocking, with small buffers for one who does not read."""
    connection = socket.socket()
    connection.setblocking(False)
    if deaf:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    connecting = asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    await asyncio.wait_for(connecting, PATIENCE)
    return connection


async def upgraded(port: int, deaf: bool = False) -> socket.socket:
    """Open a WebSocket; see ``connect``."""
    connection = await connect(port, deaf)
    await asyncio.get_running_loop().sock_sendall(connection, UPGRADE % BOT.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await read(connection, time.monotonic() + PATIENCE)
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(f"no upgrade: {answer!r}")
    return connection


async def read(connection: socket.socket, end: float) -> bytes:
    """Read what comes.

    Raises:
        ConnectionError: The bot has closed the connection.
        asyncio.TimeoutError: Nothing has come until the end.
    """
    reading = asyncio.get_running_loop().sock_recv(connection, CHUNK)
    data = await asyncio.wait_for(reading, max(end - time.monotonic(), TICK))
    if not data:
        raise ConnectionResetError
    return data


async def close_code(connection: socket.socket, end: float) -> int:
    """Read frames until one closes the connection; 0 for another end, or for none."""
    received = bytearray()
    try:
        while True:
            received += await read(connection, end)
            while len(received) >= 2 and len(received) >= 2 + received[1]:
                # Pings and closes, whose lengths have one byte.
                if received[0] & 0x0F == CLOSE:
                    return int.from_bytes(received[2:4], "big")
                del received[: 2 + received[1]]
    except (ConnectionError, asyncio.TimeoutError):
        return 0


async def write_all(connection: socket.socket, data: bytes, pause: float = 0) -> None:
    """Write the same bytes again and again, until the bot has closed the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while True:
            await loop.sock_sendall(connection, data)
            await asyncio.sleep(pause)


async def write_until_dropped(
    connection: socket.socket, data: bytes, pause: float, seconds: float
) -> float | None:
    """Return after how many seconds the bot has dropped a connection, None if it has not."""
    began = time.monotonic()
    writing = asyncio.ensure_future(write_all(connection, data, pause))
    await asyncio.wait({writing}, timeout=seconds)
    dropped = writing.done()
    await cancel(writing)
    connection.close()
    return time.monotonic() - began if dropped else None


async def cancel(task: asyncio.Future[Any]) -> None:
    """Cancel a task, and wait for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
        await task
