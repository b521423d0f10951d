"""A platform with many bots: it connects each by a WebSocket of its own and holds exchanges.

Started with a JSON object of the arguments of ``Crowd``; each line of the runner's is the sign for
the next step.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections import Counter
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ..control import Control
from ..load.loop import run
from . import chat

CONNECTING_AT_ONCE = 50
HANDSHAKE_TIMEOUT = 30.0
TICK = 0.001
"""Seconds between two looks at which events are due."""
PATIENCE = 20.0
"""Seconds that the last exchanges may take."""


class Tallies:
    """What the connections of one process have seen."""

    def __init__(self) -> None:
        self.latencies: list[tuple[float, float]] = []
        self.wrong = 0
        self.pending = 0
        self.none_pending = asyncio.Event()
        self.closes: Counter[int] = Counter()
        self.open = 0
        self.all_closed = asyncio.Event()

    def begin_one(self) -> None:
        """Count an exchange that begins."""
        self.pending += 1
        self.none_pending.clear()

    def end_one(self, due: float) -> None:
        """Count an exchange whose call has come.

        Args:
            due: When its event should have been sent.
        """
        self.latencies.append((round(due, 3), round((time.monotonic() - due) * 1000, 2)))
        self.pending -= 1
        if not self.pending:
            self.none_pending.set()


class Peer(WSListener):
    """One bot's connection."""

    def __init__(self, bot: str, tallies: Tallies) -> None:
        super().__init__()
        self.bot = bot
        self._due: dict[int, float] = {}
        self._tallies = tallies
        self._sequence = 0
        self._close_code = WSCloseCode.ABNORMAL_CLOSURE.value

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self._transport = transport
        self._tallies.open += 1

    def begin(self, due: float) -> None:
        """Send an event.

        Args:
            due: When it should have been sent; its latency counts from then.
        """
        self._due[self._sequence] = due
        self._tallies.begin_one()
        self._transport.send(WSMsgType.TEXT, chat.event(self.bot, self._sequence))
        self._sequence += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer the call that the event caused."""
        if frame.msg_type == WSMsgType.CLOSE:
            self._close_code = frame.get_close_code().value
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            self.take_call(chat.decode(frame.get_payload_as_bytes()))

    def take_call(self, call: dict[str, Any]) -> None:
        """Check that the call is of a pending exchange of this bot, and answer it."""
        due = self._due.pop(call["echo"], None)
        if due is None or call["bot"] != self.bot:
            self._tallies.wrong += 1
            return
        self._tallies.end_one(due)
        self._transport.send(WSMsgType.TEXT, chat.answer(self.bot, call["echo"]))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Remember how the connection ended."""
        self._tallies.closes[self._close_code] += 1
        self._tallies.open -= 1
        if not self._tallies.open:
            self._tallies.all_closed.set()


class Crowd:
    """All connections of this process."""

    def __init__(
        self, url: str, first: int, few: int, many: int, rate: float, seconds: float, source: str
    ) -> None:
        """Begin without connections.

        Args:
            url: The bot's endpoint.
            first: The id of the first connection.
            few: How many connections to open at first.
            many: How many more to open then.
            rate: Events per second.
            seconds: For how long to send events.
            source: The address to connect from; empty leaves it to the system.
        """
        self._url = url
        self._first, self._few, self._many = first, few, many
        self._rate, self._seconds = rate, seconds
        self._source = source
        self._tallies = Tallies()
        self._peers: list[Peer] = []

    async def live(self) -> None:
        """Go through all steps."""
        control = Control()
        await self._connect(self._few)
        control.say(opened={"count": len(self._peers)})
        await _sign()
        started = time.monotonic()
        await self._connect(self._many)
        seconds = time.monotonic() - started
        control.say(opened={"count": len(self._peers), "seconds": seconds})
        await _sign()
        control.say(result=await self._exchange())
        await self._tallies.all_closed.wait()
        control.say(closes=self._tallies.closes)

    async def _connect(self, count: int) -> None:
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        first = self._first + len(self._peers)
        connecting = [self._connect_one(str(bot), gate) for bot in range(first, first + count)]
        self._peers += await asyncio.gather(*connecting)

    async def _connect_one(self, bot: str, gate: asyncio.Semaphore) -> Peer:
        peer = Peer(bot, self._tallies)
        source: dict[str, Any] = {"local_addr": (self._source, 0)} if self._source else {}
        async with gate:
            await ws_connect(
                lambda: peer,
                self._url,
                extra_headers={"X-Self-ID": bot},
                read_buffer_init_size=512,
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT,
                **source,
            )
        return peer

    async def _exchange(self) -> dict[str, Any]:
        """Send events at the rate, to all bots in turn, and wait for the calls that they cause.

        Returns:
            What came of it; the latencies are pairs of when an event was due, in seconds, and of
            how long its call took from then, in milliseconds.
        """
        started = time.monotonic()
        sent, total = 0, round(self._rate * self._seconds)
        while sent < total:
            until = min(total, int((time.monotonic() - started) * self._rate) + 1)
            for number in range(sent, until):
                peer = self._peers[number % len(self._peers)]
                peer.begin(started + number / self._rate)
            sent = until
            await asyncio.sleep(TICK)
        seconds = time.monotonic() - started
        tallies = self._tallies
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(tallies.none_pending.wait(), PATIENCE)
        return {
            "sent": sent,
            "seconds": seconds,
            "lost": tallies.pending,
            "wrong": tallies.wrong,
            "latencies": tallies.latencies,
        }


async def _sign() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def live(arguments: dict[str, Any]) -> None:
    """Open the connections and go through all steps."""
    await Crowd(**arguments).live()


if __name__ == "__main__":
    # Its own collections stopped it for 100 ms, and the clock of every exchange went on meanwhile.
    gc.disable()
    run(live(json.loads(sys.argv[1])))
