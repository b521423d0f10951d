"""Many reverse WebSockets: idle ones to measure memory, or ones that ask for answers."""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections import deque

from picows import WSFrame, WSMsgType, WSTransport, ws_connect

from ..control import Control
from ..event import COUNT_REQUEST
from .burst import FRAMES_PER_WRITE, encode_many
from .loop import run
from .writer import NO_MASK, Writer

CONNECTING_AT_ONCE = 50
HANDSHAKE_TIMEOUT = 30.0
TICK = 0.001
"""Seconds between two checks for questions that are due."""
PATIENCE = 20.0
"""Seconds within which the last answers have to arrive."""


class Peer(Writer):
    """One connection; it asks how many messages the subject has handled.

    Attributes:
        first: Done when the subject has answered the first question.
        answers: For each answered question, when it was due, and after how many seconds the
            answer came.
        pending: When each question that is not answered yet was due.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers: list[tuple[float, float]] = []
        self.pending: deque[float] = deque()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Ask the first question."""
        super().on_ws_connected(transport)
        self.ask(time.perf_counter())

    def ask(self, due: float) -> None:
        """Ask; the time until the answer counts from ``due``, when this should have happened."""
        self.pending.append(due)
        self.transport.send(WSMsgType.TEXT, COUNT_REQUEST.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Note an answer and how long it took."""
        if frame.msg_type == WSMsgType.TEXT:
            due = self.pending.popleft()
            self.answers.append((due, time.perf_counter() - due))
            if not self.first.done():
                self.first.set_result(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Fail if the first answer has not arrived."""
        if not self.first.done():
            self.first.set_exception(ConnectionError("the subject hung up"))


async def connect_all(url: str, first: int, last: int) -> list[Peer]:
    """Connect as the bots ``first`` to ``last`` (excluded), and wait for the first answers."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(self_id: int) -> Peer:
        async with gate:
            peer = Peer()
            await ws_connect(
                lambda: peer,
                url,
                extra_headers={"X-Self-ID": str(self_id)},
                read_buffer_init_size=512,
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT,
            )
            await peer.first
            return peer

    return await asyncio.gather(*map(connect, range(first, last)))


async def hold(url: str, before: int, connections: int) -> None:
    """Open some connections, then many more; tell the runner when each part is open."""
    control = Control()
    held = await connect_all(url, 0, before)
    control.say(opened=len(held))
    await asyncio.to_thread(sys.stdin.readline)
    held += await connect_all(url, before, before + connections)
    control.say(opened=len(held))
    await asyncio.to_thread(sys.stdin.readline)


async def talk(
    url: str, connections: int, rate: float, warmup: float, seconds: float, beside: int
) -> None:
    """Ask over all connections in turn, and tell the runner how long the answers took.

    Args:
        rate: Questions per second, over all connections together.
        warmup: Seconds of questions whose answers do not count.
        seconds: Seconds of questions whose answers count.
        beside: Additional connections that send events without a pause meanwhile.
    """
    control = Control()
    peers = await connect_all(url, 0, connections + beside)
    bursting = [asyncio.ensure_future(_burst(peer)) for peer in peers[connections:]]
    # Otherwise the pauses of the garbage collector of this process would count.
    gc.freeze()
    began = time.perf_counter()
    await _ask_in_turn(peers[:connections], rate, began, warmup + seconds)
    for each in bursting:
        each.cancel()
    events = sum(await asyncio.gather(*bursting))
    await _until_answered(peers)
    answers = [answer for peer in peers for answer in peer.answers]
    counted = [took for due, took in answers if due >= began + warmup]
    control.say(
        result={
            "messages": len(answers) + events,
            "errors": sum(len(peer.pending) for peer in peers),
            "p99": statistics.quantiles(counted, n=100)[-1],
        }
    )
    await asyncio.to_thread(sys.stdin.readline)


async def _ask_in_turn(peers: list[Peer], rate: float, began: float, seconds: float) -> None:
    asked = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        while asked < elapsed * rate:
            peers[asked % len(peers)].ask(began + asked / rate)
            asked += 1
        await asyncio.sleep(TICK)


async def _burst(peer: Peer) -> int:
    """Send events until cancelled; return how many were sent."""
    events, sent = encode_many(NO_MASK), 0
    try:
        while True:
            sent += FRAMES_PER_WRITE
            await peer.write(events)
            # If the subject reads fast enough, write() does not yield to the event loop.
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        return sent


async def _until_answered(peers: list[Peer]) -> None:
    deadline = time.perf_counter() + PATIENCE
    while any(peer.pending for peer in peers) and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(TICK)


if __name__ == "__main__":
    role, target, *numbers = sys.argv[1:]
    if role == "hold":
        run(hold(target, *map(int, numbers)))
    else:
        crowd, pace, before, during, beside = numbers
        run(talk(target, int(crowd), float(pace), float(before), float(during), int(beside)))
