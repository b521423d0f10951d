"""What may be sent of an adapter's response: one rule for all faces and transports.

It guards two promises. A response that cannot be sent is a 500 that names its adapter, rather than
a connection that closes without an answer. And only the transport decides on the framing.
"""

from __future__ import annotations

import re
from typing import Any

from multidict import CIMultiDict

from ..drivers import HTTPResponse

FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that say how a message is sent, which only the transport knows (RFC 9110, 7.6.1)."""

BODILESS = frozenset({204, 304})
"""Statuses of responses without a body (RFC 9110, sections 15.3.5 and 15.4.5)."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Unsendable(Exception):
    """An adapter's response cannot be sent; the text says why."""


def sendable(status: Any, body: Any, headers: Any) -> HTTPResponse:
    """Make of an adapter's response the one that a transport sends, without framing headers.

    Args:
        status: A final status code.
        body: Bytes, or text that becomes UTF-8; None is an empty body.
        headers: A mapping, which may repeat names; None or empty for no headers.

    Raises:
        Unsendable: The response cannot be sent.
    """
    if not isinstance(status, int) or not 200 <= status <= 599:
        kind = status if isinstance(status, int) else type(status).__name__
        raise Unsendable(f"its status must be a number from 200 to 599, not {kind}")
    if isinstance(body, str):
        body = body.encode(errors="replace")
    elif isinstance(body, (bytearray, memoryview)):
        body = bytes(body)
    if body is not None and not isinstance(body, bytes):
        raise Unsendable(f"its body must be bytes or text, not {type(body).__name__}")
    fields = _fields(headers) if headers else {}
    return HTTPResponse(int(status), None if status in BODILESS else body, fields)


def _fields(headers: Any) -> Any:
    """Check headers, and leave out those of framing.

    Raises:
        Unsendable: A header cannot be sent.
    """
    try:
        pairs = list(headers.items())
    except AttributeError:
        raise Unsendable(f"its headers must be a mapping, not {type(headers).__name__}") from None
    for name, value in pairs:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Unsendable("the name of a header must be a token (RFC 9110, section 5.1)")
        if not isinstance(value, str):
            raise Unsendable(f"its header {name} must be text, not {type(value).__name__}")
        if _CONTROL.search(value) or not has_encoding(value):
            raise Unsendable(f"its header {name} must be printable text of one line")
    kept = ((name, value.strip()) for name, value in pairs if name.lower() not in FRAMING)
    return CIMultiDict(kept)


def has_encoding(value: str) -> bool:
    """Tell whether a text can be sent as UTF-8; lone surrogates stand for bytes that are not."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
