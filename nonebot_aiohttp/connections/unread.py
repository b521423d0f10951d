"""Messages and the close of a peer that have arrived and wait to be received.

This reads private attributes, because aiohttp reports a close only to the task that receives it.
aiohttp keeps a queue of messages with their sizes. If a version hides the queue, a close is noticed
when it is received.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType


def unread(websocket: Any) -> Sequence[tuple[WSMessage, int]]:
    """List the messages that wait in aiohttp's WebSocket, of either side, with their sizes."""
    return getattr(getattr(websocket, "_reader", None), "_buffer", None) or ()


def unread_close(websocket: Any) -> WSMessage | None:
    """Return the peer's close, which waits behind all messages, or None if it has not come."""
    waiting = unread(websocket)
    if not waiting:
        return None
    message = waiting[-1][0]
    return message if message.type is WSMsgType.CLOSE else None


def unread_message(websocket: Any) -> bool:
    """Return whether a text or binary message waits."""
    return any(message.type in _MESSAGES for message, _ in unread(websocket))


_MESSAGES = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})
