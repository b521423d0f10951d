"""What becomes of the subprotocols that a client of a reverse WebSocket asks for: nothing.

NoneBot has no way for an adapter to choose one, in 2021 as today. Those that a forward setup names
in its headers go out as they are.
"""

from __future__ import annotations

from aiohttp import hdrs, web


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
