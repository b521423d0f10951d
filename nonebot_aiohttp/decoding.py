"""``decoding``: whether aiohttp makes str of text frames, or leaves them bytes."""

from __future__ import annotations

import inspect
from typing import Any

from aiohttp import web

CAN_KEEP_BYTES = "decode_text" in inspect.signature(web.WebSocketResponse.__init__).parameters
"""Whether text frames can stay the bytes that ``handle_message`` wants (aiohttp 3.14)."""


def decoding(decode_text: bool) -> dict[str, Any]:
    """Make the argument that says what aiohttp shall make of text frames.

    Args:
        decode_text: True for str; False for bytes, where aiohttp can.

    Returns:
        Keyword arguments.
    """
    return {"decode_text": decode_text} if CAN_KEEP_BYTES else {}
