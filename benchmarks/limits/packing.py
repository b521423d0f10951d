"""Makes long rows of bytes, most of them alike, short enough for a line between processes."""

from __future__ import annotations

import base64
import zlib


def pack(row: bytes | bytearray) -> str:
    """Return a row as a short text."""
    return base64.b64encode(zlib.compress(row, 1)).decode()


def unpack(text: str) -> bytes:
    """Return the row that was packed."""
    return zlib.decompress(base64.b64decode(text))
