"""A forward proxy that keeps the request lines it was given: plain HTTP and CONNECT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """The proxy's address and what it was asked for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Request lines without the version, as ``CONNECT host:port`` or ``GET http://...``."""
    target_port: int | None = None
    """The local port that all targets are taken to be at; None is the port that each names."""

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection of a client, open its target and join the two."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            method, target, _ = line.decode().split()
            self.asked.append(f"{method} {target}")
            there = await self._open(method, target, rest, writer)
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        writer.close()

    async def _open(
        self, method: str, target: str, rest: bytes, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the target: as a tunnel, or handing the request on in origin form."""
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = self.target_port or url.port or 80
        there = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
            there[1].write(f"{method} {path} HTTP/1.1\r\n".encode() + rest)
        return there


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then end the destination."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


@asynccontextmanager
async def proxying() -> AsyncIterator[Proxy]:
    """Run a `Proxy`. Every target is taken to be on this machine, whatever its name."""
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
