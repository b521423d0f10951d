"""A raw client: it sends valid and invalid bytes as told, and reads the answers."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable

from tests.support import wire
from tests.support.peer import Peer, Streams
from tests.support.waiting import within
from tests.support.wire import Headers, Response


class RawClient(Peer):
    """A client's end of a connection; each read fails after `patience` seconds."""

    masks = True

    @classmethod
    async def connect(
        cls, port: int, host: str = "127.0.0.1", ssl_context: ssl.SSLContext | None = None
    ) -> RawClient:
        """Connect over TCP, or over TLS if a context is given."""
        loop, name = asyncio.get_running_loop(), host if ssl_context else None
        connecting = loop.create_connection(
            Streams, host, port, ssl=ssl_context, server_hostname=name
        )
        return cls(*await within(connecting))

    @classmethod
    async def connect_unix(cls, path: str) -> RawClient:
        """Connect to a Unix socket."""
        loop = asyncio.get_running_loop()
        return cls(*await within(loop.create_unix_connection(Streams, path)))

    async def __aenter__(self) -> RawClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abort()
        await self.close()

    async def request(
        self, method: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> Response:
        """Send a request with a `Host` and a `Content-Length`, and read the response."""
        await self.send_request(method, target, headers, body)
        return await self.read_response(method)

    async def send_request(
        self, method: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> None:
        """Send a request; `Host` and `Content-Length` are added where they are missing."""
        fields = _fields(headers)
        names = {name.lower() for name, _ in fields}
        if body and not names & {"content-length", "transfer-encoding"}:
            fields.append(("Content-Length", str(len(body))))
        if "host" not in names:
            fields.insert(0, ("Host", "bot.example"))
        await self.send(wire.encode_message(f"{method} {target} HTTP/1.1", fields, body))

    async def read_response(self, method: str = "GET") -> Response:
        """Read a response with its body."""
        return await within(wire.read_response(self.reader, method), self.patience)

    async def upgrade(self, target: str, headers: Headers = ()) -> Response:
        """Ask for a WebSocket; return the response, which is a 101 or a refusal."""
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
        return await self.request("GET", target, [*fields.items(), *_fields(headers)])

    async def trickle(
        self, chunks: Iterable[bytes], pause: Callable[[], Awaitable[object]]
    ) -> None:
        """Send chunks one by one, each followed by the pause."""
        for chunk in chunks:
            await self.send(chunk)
            await pause()


def _fields(headers: Headers) -> list[tuple[str, str]]:
    return list(dict(headers).items() if hasattr(headers, "keys") else headers)
