"""``OpenWebSockets``: the WebSockets that the stop has to close."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ..life.deadline import Deadline
from ..log.own import logger
from .fairness import in_turns
from .websocket import DriverWebSocket

A_TURN = 500
"""WebSockets whose messages are counted before the rest of the loop has its turn."""


class OpenWebSockets:
    """All WebSockets that are in use; code that reads one adds it before and removes it after."""

    def __init__(self) -> None:
        # A future is made only for a task that waits for it: there are many idle connections.
        self._ended: dict[DriverWebSocket, asyncio.Future[None] | None] = {}
        # Messages in and out of those that are removed, by the adapter's name.
        self._past: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def __iter__(self) -> Iterator[DriverWebSocket]:
        return iter(tuple(self._ended))

    def add(self, websocket: DriverWebSocket) -> None:
        """Keep a WebSocket until ``remove``."""
        self._ended[websocket] = None

    def remove(self, websocket: DriverWebSocket) -> None:
        """Remove a WebSocket whose reader has ended."""
        if websocket not in self._ended:
            return
        ended = self._ended.pop(websocket)
        if websocket.received or websocket.sent:
            _add(self._past, websocket)
        if ended is not None:
            _resolve(ended)

    def messages(self) -> dict[str, list[int]]:
        """Count the messages in and out, by the adapter's name, of all WebSockets there were."""
        counts, websockets = self._begin_count()
        for websocket in websockets:
            _add(counts, websocket)
        return counts

    async def messages_in_turns(self) -> dict[str, list[int]]:
        """Count them in turns with the rest of the loop.

        What is removed meanwhile counts as open: no message counts twice, and no count falls.
        """
        counts, websockets = self._begin_count()
        async for some in in_turns(websockets, A_TURN):
            for websocket in some:
                _add(counts, websocket)
        return counts

    def _begin_count(self) -> tuple[dict[str, list[int]], tuple[DriverWebSocket, ...]]:
        return {name: [*counts] for name, counts in self._past.items()}, tuple(self._ended)

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """Close all, drop those that take too long, and wait until their readers have ended."""
        websockets = tuple(self._ended)
        if not websockets:
            return
        readers = [self._end_of(websocket) for websocket in websockets]
        closing = {asyncio.ensure_future(each.end(code, reason)): each for each in websockets}
        with deadline.peers() as seconds:
            _, late = await asyncio.wait(closing, timeout=seconds)
        if late:
            logger.info("Dropped {} WebSocket(s) whose peers did not close them", len(late))
        for task in late:
            closing[task].abort(reason)
        with deadline.grace() as grace:
            await asyncio.wait([*readers, *late], timeout=grace)
        for task in closing:
            _forget(task)

    def _end_of(self, websocket: DriverWebSocket) -> asyncio.Future[None]:
        ended = self._ended[websocket]
        if ended is None:
            ended = self._ended[websocket] = asyncio.get_running_loop().create_future()
        return ended


def _add(counts: dict[str, list[int]], websocket: DriverWebSocket) -> None:
    of_owner = counts.get(websocket.owner)
    if of_owner is None:
        of_owner = counts[websocket.owner] = [0, 0]
    of_owner[0] += websocket.received
    of_owner[1] += websocket.sent


def _forget(closing: asyncio.Future[None]) -> None:
    """Cancel a close that has not ended, or retrieve its error, so that asyncio does not log it."""
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
