"""A proxy, by which bots reach a platform at hosts that are fixed in their adapter."""

from __future__ import annotations

import asyncio
import contextlib

from .door import bound_socket
from .timeline import PLATFORM, timeline

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY")

_MOST = 1 << 16
"""Bytes of the head of a request."""


class Proxy:
    """An HTTP proxy (RFC 9110, section 9.3.6) whose only targets are the hosts of a platform.

    What it is asked for instead is refused with 502, and is a complaint: a test reaches nobody
    outside of it.
    """

    def __init__(self, hosts: tuple[str, ...], complaints: list[str]) -> None:
        """Take the hosts, and where to complain."""
        self._hosts = hosts
        self._complaints = complaints
        self._port = 0
        self._plain = 0
        self._secure = 0
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name it, in both cases, because libraries differ in what they read."""
        url = f"http://127.0.0.1:{self._port}"
        found = dict.fromkeys(_VARIABLES, url) | {"NO_PROXY": "127.0.0.1,localhost"}
        return found | {name.lower(): value for name, value in found.items()}

    async def open(self, plain: int, secure: int) -> None:
        """Listen; `plain` and `secure` are the platform's ports for HTTP and for TLS."""
        self._plain, self._secure = plain, secure
        listening = bound_socket(0)
        self._port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listening)

    async def close(self) -> None:
        """Listen no longer, and end what is open."""
        if self._server is not None:
            self._server.close()
        handlers = list(self._handlers)
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                await self._serve(reader, writer)
        finally:
            self._handlers.discard(handler)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        tunnel = method == b"CONNECT"
        host = _host(target.decode("latin-1"))
        if host not in self._hosts:
            self._complaints.append(
                f"the bot wanted to reach {host}, which is not among Platform(hosts=...)"
            )
            await _refuse(writer)
            return
        port = self._secure if tunnel else self._plain
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await _refuse(writer)
            return
        timeline.note(PLATFORM, f"the proxy lets the bot reach {host}")
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            to_writer.write(head)
        try:
            await _between(reader, writer, to_reader, to_writer)
        finally:
            to_writer.transport.abort()


def _host(target: str) -> str:
    """Return the host of ``host:443`` or of ``http://host:80/path``."""
    return (
        target.partition("://")[2].partition("/")[0].partition(":")[0] or target.partition(":")[0]
    )


async def _refuse(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _between(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    to_reader: asyncio.StreamReader,
    to_writer: asyncio.StreamWriter,
) -> None:
    ways = [
        asyncio.create_task(_forward(reader, to_writer)),
        asyncio.create_task(_forward(to_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_MOST):
            writer.write(data)
            await writer.drain()
