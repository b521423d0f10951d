"""A simulated platform that answers API calls faster than any subject calls."""

from __future__ import annotations

import asyncio
import ssl
import sys

from ..control import Control, Tally
from ..event import API_ANSWER, EVENT
from .http_message import MessageProtocol
from .loop import run

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(API_ANSWER),
    API_ANSWER,
)
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
tally = Tally()


class Platform(MessageProtocol):
    """One connection, on which requests arrive one after the other."""

    def take(self, head: bytes, body: bytes) -> None:
        """Answer."""
        tally.handled += 1
        self.transport.write(RESPONSE if body == EVENT else REFUSAL)


async def serve(certificate: str | None) -> None:
    """Listen on a free port, over TLS if a certificate is given, until the process is killed."""
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
