"""A simulated platform that answers API calls, faster than any subject calls."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import cast

from ..control import Control, Tally
from ..event import API_ANSWER, EVENT
from .http_client import content_length
from .loop import run

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(API_ANSWER),
    API_ANSWER,
)
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
tally = Tally()


class Platform(asyncio.Protocol):
    """One connection, on which requests come one after the other."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not isinstance: uvloop's TLS transport is no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < content_length(head):
            return
        self._buffer = b""
        tally.handled += 1
        self._transport.write(RESPONSE if body == EVENT else REFUSAL)


async def serve(certificate: str | None) -> None:
    """Listen on a free port, over TLS if there is a certificate, until killed."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(
        Platform, "127.0.0.1", 0, ssl=context, backlog=1024
    )
    Control(tally).say(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    run(serve(sys.argv[1] if len(sys.argv) > 1 else None))
