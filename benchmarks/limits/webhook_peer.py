"""A platform that posts webhooks: a flood from many connections, or steadily from a few.

Started with a JSON object of the arguments of ``post``; it tells what was answered.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

from ..control import Control
from ..load.http_client import content_length
from ..load.loop import run
from .packing import pack

TICK = 0.001
"""Seconds between two looks at which webhooks are due."""
PATIENCE = 20.0
"""Seconds that the last answers may take."""


class Connection(asyncio.Protocol):
    """One keep-alive connection; it carries one request at a time."""

    def __init__(self, answered: Callable[[Connection, int, bytes], None]) -> None:
        """Take who wants to know.

        Args:
            answered: Called with the connection, the webhook's number and the answer's head.
        """
        self._answered = answered
        self._buffer = b""
        self._number = 0
        self.posted = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def post(self, number: int, request: bytes) -> None:
        """Send one webhook."""
        self._number, self.posted = number, time.monotonic()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Pass the answer on when it is complete."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) >= content_length(head):
            self._buffer = b""
            self._answered(self, self._number, head)


class Posting:
    """All connections of this process, and what was answered on them."""

    def __init__(
        self,
        port: int,
        connections: int,
        first: int,
        limit: int,
        size: int,
        work: float,
        cafile: str = "",
    ) -> None:
        """Begin without connections.

        Args:
            port: The bot's.
            connections: How many.
            first: The number of the first webhook.
            limit: How many webhooks to send at most.
            size: Bytes of a webhook.
            work: Seconds that the bot shall work on each.
            cafile: Whom to trust with TLS; empty is plain.
        """
        self._port, self._count = port, connections
        self._first, self._last = first, first + limit
        self._size, self._work = size, work
        self._tls = ssl.create_default_context(cafile=cafile) if cafile else None
        self._next = first
        self._left_out = 0
        self._accepted = bytearray(limit)
        self._answers: Counter[str] = Counter()
        self._timeline: Counter[float] = Counter()
        self._latencies: list[tuple[float, float]] | None = None
        # In turn, for the bot closes those that are idle for long.
        self._free: deque[Connection] = deque()
        self._free_again: Callable[[Connection], None] = self._free.append

    async def connect(self) -> None:
        """Open all connections."""
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            create = loop.create_connection(
                lambda: Connection(self._take), "127.0.0.1", self._port, ssl=self._tls
            )
            self._free.append((await create)[1])

    async def flood(self, seconds: float) -> dict[str, Any]:
        """Post as fast as the answers come."""
        began = time.monotonic()
        self._free_again = lambda connection: (
            self._post(connection)
            if time.monotonic() < began + seconds
            else self._free.append(connection)
        )
        while self._free:
            self._post(self._free.popleft())
        await asyncio.sleep(began + seconds - time.monotonic())
        return await self._result(began)

    async def steady(self, rate: float) -> dict[str, Any]:
        """Post at a rate until the runner gives the sign.

        What is due when no connection is free is left out, and counted.
        """
        began = time.monotonic()
        self._latencies = []
        sign = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        posted = 0
        while not sign.done():
            elapsed = time.monotonic() - began
            due = int(elapsed * rate) - posted
            for _ in range(min(due, len(self._free))):
                self._post(self._free.popleft())
                due -= 1
            self._left_out += due
            posted = int(elapsed * rate)
            await asyncio.sleep(TICK)
        return await self._result(began)

    def _post(self, connection: Connection) -> None:
        if self._next == self._last:
            raise ValueError("more webhooks than the limit allows")
        event = {"number": self._next, "work": self._work}
        body = json.dumps(event).encode().ljust(self._size)
        head = b"POST /limit/ HTTP/1.1\r\nHost: a\r\nX-Self-ID: 1\r\nContent-Length: %d\r\n\r\n"
        connection.post(self._next, head % len(body) + body)
        self._next += 1

    def _take(self, connection: Connection, number: int, head: bytes) -> None:
        if head.startswith(b"HTTP/1.1 200 "):
            self._answers["accepted"] += 1
            self._accepted[number - self._first] += 1
            self._timeline[round(time.monotonic(), 1)] += 1
        elif head.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after:" in head.lower():
            self._answers["refused"] += 1
        else:
            self._answers["wrong"] += 1
        if self._latencies is not None:
            latency = round((time.monotonic() - connection.posted) * 1000, 2)
            self._latencies.append((round(connection.posted, 3), latency))
        self._free_again(connection)

    async def _result(self, began: float) -> dict[str, Any]:
        """Wait for the last answers, and describe what was answered.

        Latencies are pairs of when a webhook was sent, in seconds, and of how long its answer took
        from then, in milliseconds; only steady traffic has them.
        """
        ended = time.monotonic()
        while len(self._free) < self._count and time.monotonic() < ended + PATIENCE:  # noqa: ASYNC110
            await asyncio.sleep(TICK)
        sent = self._next - self._first
        return {
            "began": began,
            "ended": ended,
            "sent": sent,
            "unanswered": sent - self._answers.total(),
            **{kind: self._answers[kind] for kind in ("accepted", "refused", "wrong")},
            "left out": self._left_out,
            "latencies": self._latencies or [],
            "timeline": sorted(self._timeline.items()),
            "numbers": pack(self._accepted),
        }


async def post(kind: str, how: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Post webhooks, and tell the runner.

    Args:
        kind: ``"flood"`` or ``"steady"``.
        how: The arguments of that method.
        arguments: The arguments of ``Posting``.
    """
    control, posting = Control(), Posting(**arguments)
    await posting.connect()
    control.say(connected=True)
    posted = posting.flood(**how) if kind == "flood" else posting.steady(**how)
    control.say(result=await posted)


if __name__ == "__main__":
    run(post(**json.loads(sys.argv[1])))
