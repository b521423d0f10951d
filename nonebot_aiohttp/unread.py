"""``unread_close``: the close of a peer that has come, and that nobody has received yet."""

from __future__ import annotations

from typing import Any

from aiohttp import WSMessage, WSMsgType


def unread_close(socket: Any) -> WSMessage | None:
    """Look for the peer's close behind the messages that wait to be received.

    Args:
        socket: aiohttp's WebSocket, of either side.

    Returns:
        The close; None if there is none, or if this aiohttp hides it.
    """
    # Private: aiohttp tells of a close only to who receives it, and keeps what waits in a queue of
    # messages and their sizes. Where it cannot be seen a close is noticed when it is received.
    waiting = getattr(getattr(socket, "_reader", None), "_buffer", None)
    if not waiting:
        return None
    message: WSMessage = waiting[-1][0]
    return message if message.type is WSMsgType.CLOSE else None
