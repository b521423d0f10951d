"""A platform that the bot connects to (forward WebSocket), which then sends bursts."""

from __future__ import annotations

import asyncio
import sys

from picows import WSTransport, ws_create_server

from ..control import Control
from .burst import BurstPeer
from .loop import run


class ServedPeer(BurstPeer):
    """The server's side of the only connection; ``connected`` is done when it is open."""

    def __init__(self) -> None:
        super().__init__(masked=False)
        self.connected = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Let the bursts begin."""
        super().on_ws_connected(transport)
        self.connected.set()


async def serve(messages: int, warmup: float, seconds: float) -> None:
    """Listen, wait for the subject, measure, and tell the runner."""
    control = Control()
    peer = ServedPeer()
    server = await ws_create_server(lambda _request: peer, "127.0.0.1", 0)
    control.say(port=server.sockets[0].getsockname()[1])
    await peer.connected.wait()
    control.say(result=await peer.measure(messages, warmup, seconds))


if __name__ == "__main__":
    run(serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
