"""A platform that takes more than its share of a bot: by chatting, by bursts, or by not reading.

Started with a JSON object of the arguments of ``be_greedy``; it tells what it sent, and when.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ..control import Control
from ..load.loop import run
from ..load.writer import NO_MASK, Writer, encode_frame
from . import chat
from .crowd_peer import Peer, Tallies

BOT = "99999"
FRAMES_PER_WRITE = 256
PATIENCE = 60.0
"""Seconds for the end of what was begun."""


class Reader(Writer):
    """A connection that counts the text that it reads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Remember the size of a message."""
        if frame.msg_type == WSMsgType.TEXT:
            self.read.append(frame.payload_size)


async def burst(url: str, kind: str, messages: int, size: int) -> dict[str, Any]:
    """Send messages as fast as the bot reads them.

    Args:
        url: The bot's endpoint.
        kind: What to begin each with; see ``chat.NUMBERED``.
        messages: How many.
        size: Bytes of each.
    """
    writer = Writer()
    await _connect(writer, url)
    began = time.monotonic()
    for first in range(0, messages, FRAMES_PER_WRITE):
        numbers = range(first, min(first + FRAMES_PER_WRITE, messages))
        events = (chat.numbered(kind.encode(), number, size) for number in numbers)
        await writer.write(b"".join(encode_frame(event, NO_MASK) for event in events))
    return {"began": began, "ended": time.monotonic(), "sent": messages, "wrong": 0}


async def deaf(url: str, messages: int, size: int, rate: float) -> dict[str, Any]:
    """Make the bot send big messages, read none of them, and at last read them all.

    Args:
        url: The bot's endpoint.
        messages: How many.
        size: Bytes of each.
        rate: How many per second.
    """
    peer = Reader()
    await _connect(peer, url)
    peer.transport.underlying_transport.pause_reading()
    began = time.monotonic()
    for _ in range(messages):
        peer.transport.send(WSMsgType.TEXT, chat.big_event(BOT, size))
        await asyncio.sleep(1 / rate)
    ended = time.monotonic()
    peer.transport.underlying_transport.resume_reading()
    while len(peer.read) < messages and time.monotonic() < ended + PATIENCE:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    wrong = abs(messages - peer.read.count(size))
    return {"began": began, "ended": ended, "sent": messages, "wrong": wrong}


class Chatterer(Peer):
    """A connection that begins an exchange whenever one has ended."""

    chatting = True
    begun = 0

    def begin(self, due: float) -> None:
        """Send an event, and count it."""
        self.begun += 1
        super().begin(due)

    def take_call(self, call: dict[str, Any]) -> None:
        """Answer a call and begin again."""
        super().take_call(call)
        if self.chatting:
            self.begin(time.monotonic())


async def chatter(url: str, at_once: int, seconds: float) -> dict[str, Any]:
    """Hold exchanges without a pause.

    Args:
        url: The bot's endpoint.
        at_once: How many at the same time.
        seconds: For how long.
    """
    tallies = Tallies()
    peer = Chatterer(BOT, tallies)
    await _connect(peer, url)
    began = time.monotonic()
    for _ in range(at_once):
        peer.begin(began)
    await asyncio.sleep(seconds)
    ended = time.monotonic()
    peer.chatting = False
    await asyncio.wait_for(tallies.none_pending.wait(), PATIENCE)
    return {"began": began, "ended": ended, "sent": peer.begun, "wrong": tallies.wrong}


async def _connect(listener: WSListener, url: str) -> None:
    await ws_connect(lambda: listener, url, extra_headers={"X-Self-ID": BOT})


KINDS: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
    "burst": burst,
    "chatter": chatter,
    "deaf": deaf,
}


async def be_greedy(url: str, kind: str, how: dict[str, Any]) -> None:
    """Connect, take too much, tell the runner, and stay until it hangs up."""
    control = Control()
    control.say(result=await KINDS[kind](url, **how))
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    run(be_greedy(**json.loads(sys.argv[1])))
