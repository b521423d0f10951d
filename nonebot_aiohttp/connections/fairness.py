"""``Turns``: the reader of a busy peer yields to the event loop now and then.

Receiving does not wait while messages are there. Without turns the reader of a peer that never
pauses would keep the event loop for all messages of one read: thousands, if they are small.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")

LONGEST_TURN = 0.002
"""Seconds for which one connection may keep the event loop."""

BETWEEN_LOOKS = 16
"""Messages after which a turn looks at the clock."""


class Turns:
    """The turns of one WebSocket."""

    __slots__ = ("_began", "_messages")

    def __init__(self) -> None:
        self._began = 0.0
        self._messages = 0

    async def count(self) -> None:
        """Count one message, and look at the clock after every ``BETWEEN_LOOKS``."""
        self._messages += 1
        if self._messages % BETWEEN_LOOKS == 0:
            await self.look()

    async def look(self) -> None:
        """Yield to the event loop if the turn has been long.

        A turn begins when the last one ended, also if the peer was silent since then. So its reader
        yields in vain once in a while, which costs less than to find out.
        """
        if time.monotonic() - self._began > LONGEST_TURN:
            await asyncio.sleep(0)
            self._began = time.monotonic()


async def in_turns(items: Sequence[_T], a_turn: int) -> AsyncIterator[Sequence[_T]]:
    """Yield ``a_turn`` items at a time, each time after a turn for the rest of the event loop."""
    for start in range(0, len(items), a_turn):
        await asyncio.sleep(0)
        yield items[start : start + a_turn]


IN_A_ROW = 4
"""Requests of one connection after which it yields to the event loop."""


class RequestTurns:
    """The turns of all HTTP connections of a server.

    aiohttp handles the requests of a peer that does not wait for answers in a row, without a pause
    for other peers. A peer that waits reaches ``IN_A_ROW`` only while no other peer sends requests.
    """

    __slots__ = ("_in_a_row", "_last")

    def __init__(self) -> None:
        self._last = 0
        self._in_a_row = 0

    def is_over(self, connection: object) -> bool:
        """Count one request, and return whether its connection has to yield to the event loop."""
        # Not the connection itself, because that would keep it alive.
        if self._last != id(connection):
            self._last, self._in_a_row = id(connection), 0
        self._in_a_row += 1
        return self._in_a_row % IN_A_ROW == 0
