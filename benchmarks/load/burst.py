"""Bursts of WebSocket messages from a picows peer, faster than any subject reads them.

The frames of a burst are encoded beforehand and written many at a time. After them the peer asks
how many messages the subject has handled. The answer ends the burst, and shows that no message was
lost.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from picows import WSFrame, WSMsgType, WSTransport

from ..event import COUNT_REQUEST, EVENT
from ..process import BenchmarkError
from .writer import Writer, encode_frame

FRAMES_PER_WRITE = 64
ANSWER_TIMEOUT = 20.0


def encode_many(mask: bytes | None) -> bytes:
    """Encode the events of one write; see ``encode_frame``."""
    return encode_frame(EVENT, mask) * FRAMES_PER_WRITE


class BurstPeer(Writer):
    """One connection that sends bursts."""

    def __init__(self, masked: bool) -> None:
        """Encode the frames, masked if the peer is a client."""
        super().__init__()
        self._chunk = encode_many(os.urandom(4) if masked else None)
        self._answers: asyncio.Queue[int] = asyncio.Queue()
        self._sent = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass the answer on to the code that has asked."""
        if frame.msg_type == WSMsgType.TEXT:
            self._answers.put_nowait(int(frame.get_payload_as_ascii_text()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Answer the open question with an impossible count."""
        self._answers.put_nowait(-1)

    async def measure(self, messages: int, warmup: float, seconds: float) -> dict[str, Any]:
        """Send bursts to warm up, then to measure; return the messages and the seconds of these."""
        await self._bursts(messages, warmup)
        sent, elapsed = await self._bursts(messages, seconds)
        return {"messages": sent, "seconds": elapsed}

    async def ask(self) -> None:
        """Ask for the count, and compare it with the messages sent on this connection.

        Raises:
            BenchmarkError: The subject has handled more or fewer messages, or has disconnected.
        """
        self.transport.send(WSMsgType.TEXT, COUNT_REQUEST.encode())
        self._sent += 1
        handled = await asyncio.wait_for(self._answers.get(), ANSWER_TIMEOUT)
        if handled != self._sent:
            raise BenchmarkError(f"{self._sent} messages sent, {handled} handled")

    async def _bursts(self, messages: int, seconds: float) -> tuple[int, float]:
        started, before = time.perf_counter(), self._sent
        while (elapsed := time.perf_counter() - started) < seconds:
            await self._burst(messages // FRAMES_PER_WRITE)
        return self._sent - before, elapsed

    async def _burst(self, writes: int) -> None:
        for _ in range(writes):
            await self.write(self._chunk)
        self._sent += writes * FRAMES_PER_WRITE
        await self.ask()
