"""A stranger who means harm: bodies without an end, pipelining, silence, or one who never reads.

Started with a JSON object of the arguments of ``attack``; it tells what came of it, and when.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from ..control import Control
from ..load.loop import run
from ..load.writer import NO_MASK, encode_frame
from . import chat
from .stranger_socket import (
    BOT,
    CHUNK,
    PATIENCE,
    TICK,
    cancel,
    close_code,
    connect,
    read,
    upgraded,
    write_all,
    write_until_dropped,
)

NICENESS = 10
"""Lets the peer beside it, on the same core, go first: only the bot may keep that one waiting."""
PAUSE = 0.2
"""Seconds from the end of a connection to the next one in its place."""
CLOSING = 15.0
"""Seconds that a refused connection has to be closed."""
FRAMES_PER_WRITE = 256
REQUEST = b"POST /limit/ HTTP/1.1\r\nHost: a\r\nX-Self-ID: 1\r\nContent-Length: 2\r\n\r\n#0"
"""A webhook that is only counted."""
WEBHOOK_HEAD = b"POST /limit/ HTTP/1.1\r\nHost: a\r\nX-Self-ID: 1\r\nContent-Length: %d\r\n\r\n"


class Unfinished:
    """A webhook whose body never ends.

    Attributes:
        answer: What the bot has answered.
        closed: Whether the bot has closed the connection.
    """

    def __init__(self, connection: socket.socket, size: int) -> None:
        """Begin with the head to send.

        Args:
            connection: Where to send it; not blocking.
            size: Bytes that the body shall have; the last is never sent.
        """
        self.answer = b""
        self.closed = False
        self._connection = connection
        self._head = memoryview(WEBHOOK_HEAD % size)
        self._body = size - 1

    @property
    def sending(self) -> bool:
        """Whether there is more to send, and the bot has not answered."""
        return self._body > 0 and not self.answer and not self.closed

    @property
    def refused(self) -> bool:
        """Whether it was answered 503 with ``Retry-After``."""
        head = self.answer.partition(b"\r\n\r\n")[0].lower()
        return head.startswith(b"http/1.1 503 ") and b"\r\nretry-after:" in head

    def read(self) -> None:
        """Take what the bot has sent, without waiting."""
        if self.closed:
            return
        try:
            data = self._connection.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.answer += data
        self.closed = not data

    def write(self, chunk: memoryview) -> int:
        """Send some of what is left, without waiting.

        Args:
            chunk: What the body is made of.

        Returns:
            How many bytes were taken.
        """
        if not self.sending:
            return 0
        part = self._head or chunk[: self._body]
        try:
            sent = self._connection.send(part)
        except BlockingIOError:
            return 0
        except OSError:
            # An answer that came before can still be read.
            self._body = 0
            return 0
        if self._head:
            self._head = self._head[sent:]
        else:
            self._body -= sent
        return sent


async def unfinished(port: int, connections: int, size: int, rate: float) -> dict[str, Any]:
    """Send bodies in turn, all but the last byte of each, and stay.

    Args:
        port: The bot's.
        connections: How many bodies.
        size: Bytes of each.
        rate: MiB per second of all together.
    """
    chunk = memoryview(bytes(CHUNK))
    bodies = [Unfinished(await connect(port), size) for _ in range(connections)]
    began = time.monotonic()
    deadline = began + connections * size / (rate * 1024 * 1024) + PATIENCE
    sent = 0
    while any(body.sending for body in bodies) and time.monotonic() < deadline:
        for body in bodies:
            body.read()
            sent += body.write(chunk)
            due = began + sent / (rate * 1024 * 1024)
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
        await asyncio.sleep(TICK)
    ended = time.monotonic()
    while (
        any(body.answer and not body.closed for body in bodies)
        and time.monotonic() < ended + CLOSING
    ):
        for body in bodies:
            body.read()
        await asyncio.sleep(TICK)
    statuses = Counter(body.answer[9:12].decode() for body in bodies)
    return {
        "began": began,
        "ended": ended,
        "sent": sent,
        "refused": sum(body.refused for body in bodies),
        "closed": sum(body.refused and body.closed for body in bodies),
        "statuses": statuses,
        "closing": time.monotonic() - ended,
    }


async def pipeline(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Send requests without waiting for the answers, as fast as those are read.

    Args:
        port: The bot's.
        connections: How many do so.
        seconds: For how long.
    """
    began = time.monotonic()
    tally: Counter[str] = Counter()
    pipelining = [_pipeline_one(port, began + seconds, tally) for _ in range(connections)]
    await asyncio.gather(*pipelining)
    counts = {key: tally[key] for key in ("answers", "drops")}
    return {"began": began, "ended": time.monotonic(), **counts}


async def _pipeline_one(port: int, end: float, tally: Counter[str]) -> None:
    """Pipeline, and begin again whenever the bot has closed the connection."""
    while time.monotonic() < end:
        connection = await connect(port)
        writing = asyncio.ensure_future(write_all(connection, REQUEST * (CHUNK // len(REQUEST))))
        try:
            while True:
                answers = await read(connection, end)
                tally["answers"] += answers.count(b"HTTP/1.1 ")
        except ConnectionError:
            tally["drops"] += 1
            await asyncio.sleep(PAUSE)
        except asyncio.TimeoutError:
            return
        finally:
            await cancel(writing)
            connection.close()


async def deaf_pipeline(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Send requests and never read an answer.

    Args:
        port: The bot's.
        connections: How many do so.
        seconds: How long to wait until the bot has dropped them all.
    """
    began = time.monotonic()
    requests = REQUEST * (CHUNK // len(REQUEST))
    opened = [await connect(port, deaf=True) for _ in range(connections)]
    writers = [write_until_dropped(each, requests, 0, seconds) for each in opened]
    return _drops(began, await asyncio.gather(*writers))


async def deaf_socket(port: int, size: int, rate: float, seconds: float) -> dict[str, Any]:
    """Make the bot send big messages over a WebSocket, and never read.

    Args:
        port: The bot's.
        size: Bytes of each.
        rate: How many per second.
        seconds: How long to wait until the bot has dropped it.
    """
    connection = await upgraded(port, deaf=True)
    began = time.monotonic()
    frame = encode_frame(chat.big_event(BOT, size), NO_MASK)
    return _drops(began, [await write_until_dropped(connection, frame, 1 / rate, seconds)])


async def silent(port: int, connections: int, seconds: float, again: bool) -> dict[str, Any]:
    """Connect and say nothing.

    Args:
        port: The bot's.
        connections: How many do so.
        seconds: For how long, unless the bot drops them.
        again: Whether to connect anew then.
    """
    began = time.monotonic()
    stays = [_stay_silent(port, began + seconds, again) for _ in range(connections)]
    lasted = [length for lengths in await asyncio.gather(*stays) for length in lengths]
    return _drops(began, lasted)


async def _stay_silent(port: int, end: float, again: bool) -> list[float | None]:
    """Return how long each connection lasted; None for one that was not dropped."""
    lasted: list[float | None] = []
    while time.monotonic() < end:
        connection = await connect(port)
        since = time.monotonic()
        try:
            while True:
                await read(connection, end)
        except ConnectionError:
            lasted.append(time.monotonic() - since)
        except asyncio.TimeoutError:
            lasted.append(None)
        finally:
            connection.close()
        if not again:
            break
        await asyncio.sleep(PAUSE)
    return lasted


async def burst(port: int, messages: int, size: int, stay: float) -> dict[str, Any]:
    """Send events whose handlers are slow over a WebSocket until the bot closes it.

    Args:
        port: The bot's.
        messages: How many.
        size: Bytes of each.
        stay: Seconds that the handlers still work.
    """
    connection = await upgraded(port)
    began = time.monotonic()
    closing = asyncio.ensure_future(close_code(connection, began + PATIENCE))
    sent = 0
    while sent < messages and not closing.done():
        numbers = range(sent, min(sent + FRAMES_PER_WRITE, messages))
        events = (chat.numbered(chat.NUMBERED_LATE, number, size) for number in numbers)
        frames = b"".join(encode_frame(event, NO_MASK) for event in events)
        writing = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(connection, frames))
        await asyncio.wait({writing, closing}, return_when=asyncio.FIRST_COMPLETED)
        await cancel(writing)
        sent += len(numbers)
    code = await closing
    connection.close()
    await asyncio.sleep(stay)
    return {"began": began, "ended": time.monotonic(), "sent": sent, "code": code}


def _drops(began: float, lasted: list[float | None]) -> dict[str, Any]:
    """Describe how many connections were dropped, and how many seconds the longest lasted."""
    ended = time.monotonic()
    return {
        "began": began,
        "ended": ended,
        "dropped": sum(length is not None for length in lasted),
        "longest": max(ended - began if length is None else length for length in lasted),
    }


KINDS: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
    "burst": burst,
    "deaf pipeline": deaf_pipeline,
    "deaf socket": deaf_socket,
    "pipeline": pipeline,
    "silent": silent,
    "unfinished": unfinished,
}


async def attack(port: int, kind: str, how: dict[str, Any]) -> None:
    """Attack the bot, and tell the runner what came of it."""
    os.nice(NICENESS)
    Control().say(result=await KINDS[kind](port, **how))


if __name__ == "__main__":
    run(attack(**json.loads(sys.argv[1])))
