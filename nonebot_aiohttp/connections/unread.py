"""What has come from a peer, and nobody has received yet: its close, and messages before that.

Private: aiohttp tells of a close only to who receives it, and keeps what waits in a queue of
messages and their sizes. Where that cannot be seen a close is noticed when it is received.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType


def unread(socket: Any) -> Sequence[tuple[WSMessage, int]]:
    """List all that waits to be received.

    Args:
        socket: aiohttp's WebSocket, of either side.

    Returns:
        The messages and their sizes, as aiohttp keeps them; none if this aiohttp hides them.
    """
    return getattr(getattr(socket, "_reader", None), "_buffer", None) or ()


def unread_close(socket: Any) -> WSMessage | None:
    """Look for the peer's close behind the messages that wait to be received.

    Args:
        socket: aiohttp's WebSocket, of either side.

    Returns:
        The close; None if there is none, or if this aiohttp hides it.
    """
    waiting = unread(socket)
    if not waiting:
        return None
    message = waiting[-1][0]
    return message if message.type is WSMsgType.CLOSE else None


def unread_message(socket: Any) -> bool:
    """Tell whether a message waits to be received, text or binary.

    Args:
        socket: aiohttp's WebSocket, of either side.

    Returns:
        Whether there is one; False if this aiohttp hides it.
    """
    return any(message.type in _MESSAGES for message, _ in unread(socket))


_MESSAGES = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})
