"""What aiohttp is told before a WebSocket opens: how to decode text, and no subprotocols."""

from __future__ import annotations

import inspect
from typing import Any

from aiohttp import hdrs, web

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


def without_subprotocols(request: web.Request) -> web.Request:
    """Hide the subprotocols that a client asks for (RFC 6455, section 4.1) from aiohttp.

    It warns of each that the server has not got, and shows what the peer has made up. OneBot 12
    demands one. Most clients take an answer without; browsers and Node's ``ws`` do not.

    Args:
        request: The handshake.

    Returns:
        The handshake as aiohttp shall see it.
    """
    if hdrs.SEC_WEBSOCKET_PROTOCOL not in request.headers:
        return request
    headers = request.headers.copy()
    del headers[hdrs.SEC_WEBSOCKET_PROTOCOL]
    return request.clone(headers=headers)
