"""``OpenWebSockets``: all WebSockets that are in use, so that the stop can close them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ..life.deadline import Deadline
from ..log import logger
from .websocket import DriverWebSocket


class OpenWebSockets:
    """All WebSockets that are in use, so that the stop can close them."""

    def __init__(self) -> None:
        # Futures come with who waits for them: idle connections are many.
        self._ended: dict[DriverWebSocket, asyncio.Future[None] | None] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def __iter__(self) -> Iterator[DriverWebSocket]:
        return iter(tuple(self._ended))

    def add(self, socket: DriverWebSocket) -> None:
        """Take a socket in; whoever reads it says when it has ended."""
        self._ended[socket] = None

    def remove(self, socket: DriverWebSocket) -> None:
        """Let go of a socket whose reader has ended."""
        ended = self._ended.pop(socket, None)
        if ended is not None:
            _resolve(ended)

    async def close_all(self, code: int, reason: str, deadline: Deadline) -> None:
        """Close all and wait until their readers have ended.

        Args:
            code: The close code.
            reason: Why, for the peers.
            deadline: Bounds the closing handshakes; then those that are left are dropped.
        """
        sockets = tuple(self._ended)
        if not sockets:
            return
        readers = [self._end_of(socket) for socket in sockets]
        closing = {asyncio.ensure_future(socket.end(code, reason)): socket for socket in sockets}
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

    def _end_of(self, socket: DriverWebSocket) -> asyncio.Future[None]:
        ended = self._ended[socket]
        if ended is None:
            ended = self._ended[socket] = asyncio.get_running_loop().create_future()
        return ended


def _forget(closing: asyncio.Future[None]) -> None:
    """Let go of a closing that has ended, failed or not, or that nobody waits for any longer."""
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
