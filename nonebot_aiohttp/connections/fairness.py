"""``Turns``: a peer that never falls silent leaves the event loop to the others now and then.

Receiving does not wait while messages are there. Without turns the reader of such a peer would keep
the event loop for as many messages as one read brings: thousands, if they are small.
"""

from __future__ import annotations

import asyncio
import time

LONGEST_TURN = 0.002
"""Seconds for which one connection may keep the event loop."""

BETWEEN_LOOKS = 16
"""Messages between two looks at the clock."""


class Turns:
    """The turns of one connection."""

    __slots__ = ("_began", "_messages")

    def __init__(self) -> None:
        self._began = 0.0
        self._messages = 0

    async def count(self) -> None:
        """Count one message, and look at the clock after every few."""
        self._messages += 1
        if self._messages % BETWEEN_LOOKS == 0:
            await self.look()

    async def look(self) -> None:
        """Give way to the others if the turn has been long.

        It counts from the last time, so that a peer who was silent meanwhile gives way in vain:
        once in some messages, which costs less than to know better.
        """
        if time.monotonic() - self._began > LONGEST_TURN:
            await asyncio.sleep(0)
            self._began = time.monotonic()


IN_A_ROW = 4
"""Requests that one connection may have handled before the others get their turn."""


class RequestTurns:
    """The turns of all connections that carry requests.

    A peer that sends its requests one behind the other, without waiting for answers, has them
    handled without a pause. One that waits is alone with its request, or others came in between.
    """

    __slots__ = ("_in_a_row", "_who")

    def __init__(self) -> None:
        self._who = 0
        self._in_a_row = 0

    def is_over(self, connection: object) -> bool:
        """Count one request, and tell whether its connection has to give way to the others.

        Args:
            connection: Its connection.
        """
        # Not the connection itself, which would be kept alive.
        if self._who != id(connection):
            self._who, self._in_a_row = id(connection), 0
        self._in_a_row += 1
        return self._in_a_row % IN_A_ROW == 0
