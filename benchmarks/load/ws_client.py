"""A platform that connects to the bot (reverse WebSocket) and sends bursts."""

from __future__ import annotations

import sys

from picows import ws_connect

from ..control import Control
from .burst import BurstPeer
from .loop import run


async def connect(url: str, messages: int, warmup: float, seconds: float) -> None:
    """Connect, measure, and tell the runner."""
    peer = BurstPeer(masked=True)
    await ws_connect(lambda: peer, url, extra_headers={"X-Self-ID": "1"})
    Control().say(result=await peer.measure(messages, warmup, seconds))


if __name__ == "__main__":
    run(connect(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
