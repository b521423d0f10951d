"""The URL schemes of HTTP and of WebSockets, whose handshake is an HTTP request (RFC 6455, 3)."""

from __future__ import annotations

_WEBSOCKET_BY_HTTP = {"http": "ws", "https": "wss"}
_HTTP_BY_WEBSOCKET = {"ws": "http", "wss": "https"}

HTTP_SCHEMES = frozenset(_WEBSOCKET_BY_HTTP)
WEBSOCKET_SCHEMES = frozenset(_HTTP_BY_WEBSOCKET)
SECURE_SCHEMES = frozenset({"https", "wss"})


def http_scheme(scheme: str) -> str:
    """Return the scheme of HTTP that is as secure; any other scheme than ws and wss as it is."""
    return _HTTP_BY_WEBSOCKET.get(scheme, scheme)


def websocket_scheme(scheme: str) -> str:
    """Return the scheme of WebSockets that is as secure; any other than http and https as it is."""
    return _WEBSOCKET_BY_HTTP.get(scheme, scheme)
