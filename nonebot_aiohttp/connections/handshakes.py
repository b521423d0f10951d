"""What aiohttp must know before a WebSocket opens: how to decode text, and no subprotocols."""

from __future__ import annotations

import inspect
from typing import Any

from aiohttp import hdrs, web

CAN_KEEP_BYTES = "decode_text" in inspect.signature(web.WebSocketResponse.__init__).parameters
"""Whether aiohttp can give text frames as the bytes that ``handle_message`` wants (3.14)."""


def decoding(decode_text: bool) -> dict[str, Any]:
    """Make the keyword that asks aiohttp for text frames as str, or as bytes where it can."""
    return {"decode_text": decode_text} if CAN_KEEP_BYTES else {}


def without_subprotocols(request: web.Request) -> web.Request:
    """Make a handshake for aiohttp without the subprotocols of the client (RFC 6455, section 4.1).

    aiohttp logs a warning for each subprotocol that the server does not have, with the peer's text
    in it. OneBot 12 demands a subprotocol. Most clients accept an answer without one; browsers and
    Node's ``ws`` do not.
    """
    if hdrs.SEC_WEBSOCKET_PROTOCOL not in request.headers:
        return request
    headers = request.headers.copy()
    del headers[hdrs.SEC_WEBSOCKET_PROTOCOL]
    return request.clone(headers=headers)
