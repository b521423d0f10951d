"""Thousands of reverse WebSockets that ask one question each and are silent from then on."""

from __future__ import annotations

import asyncio
import sys

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ..control import Control
from ..event import COUNT_REQUEST
from .loop import run

CONNECTING_AT_ONCE = 50


class IdlePeer(WSListener):
    """One connection; ``answered`` is done when the subject has answered it."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Ask the one question."""
        transport.send(WSMsgType.TEXT, COUNT_REQUEST.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take the answer."""
        if frame.msg_type == WSMsgType.TEXT and not self.answered.done():
            self.answered.set_result(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Fail if the answer has not come."""
        if not self.answered.done():
            self.answered.set_exception(ConnectionError("the subject hung up"))


async def connect_all(url: str, first: int, last: int) -> list[IdlePeer]:
    """Connect as the bots ``first`` to ``last`` (excluded) and wait for all answers."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(self_id: int) -> IdlePeer:
        async with gate:
            peer = IdlePeer()
            await ws_connect(
                lambda: peer,
                url,
                extra_headers={"X-Self-ID": str(self_id)},
                read_buffer_init_size=512,
                websocket_handshake_timeout=30,
            )
            await peer.answered
            return peer

    return await asyncio.gather(*map(connect, range(first, last)))


async def hold(url: str, before: int, connections: int) -> None:
    """Open some connections, then many more; tell the runner when each part stands."""
    control = Control()
    held = await connect_all(url, 0, before)
    control.say(opened=len(held))
    await asyncio.to_thread(sys.stdin.readline)
    held += await connect_all(url, before, before + connections)
    control.say(opened=len(held))
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    run(hold(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
