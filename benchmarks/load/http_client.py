"""Keep-alive HTTP connections that post the event, for machines without wrk."""

from __future__ import annotations

import asyncio
import sys
import time

from ..control import Control
from ..event import EVENT
from .http_message import MessageProtocol
from .loop import run

REQUEST = (
    b"POST /bench/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"X-Self-ID: 1\r\nContent-Length: %d\r\n\r\n%b" % (len(EVENT), EVENT)
)


class Poster(MessageProtocol):
    """One connection that sends a request, waits for the answer, and repeats that."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = 0
        self.errors = 0
        self._stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        super().connection_made(transport)
        self.transport.write(REQUEST)

    def take(self, head: bytes, body: bytes) -> None:
        """Count the answer, and send the next request."""
        self.answered += 1
        self.errors += not head.startswith(b"HTTP/1.1 2")
        if not self._stopped:
            self.transport.write(REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count an error unless we closed."""
        self.errors += not self._stopped

    def stop(self) -> None:
        """Send no more requests, and close."""
        self._stopped = True
        self.transport.close()


async def post(port: int, connections: int, seconds: float) -> None:
    """Post for some seconds on several connections at once, then tell the runner the counts."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    posters = [
        (await loop.create_connection(Poster, "127.0.0.1", port))[1] for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for poster in posters:
        poster.stop()
    Control().say(
        result={
            "requests": sum(poster.answered for poster in posters),
            "seconds": time.perf_counter() - started,
            "errors": sum(poster.errors for poster in posters),
        }
    )


if __name__ == "__main__":
    run(post(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
