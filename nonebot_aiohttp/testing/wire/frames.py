"""WebSocket messages as bytes (RFC 6455, section 5), so that a platform has a say in each frame."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION = 0x0

_FIN, _COMPRESSED, _MASKED = 0x80, 0x40, 0x80

_MASK = bytes(4)
"""A client has to mask what it sends (section 5.3); this key leaves the bytes as they are."""


def header(
    opcode: int, length: int, *, masked: bool, fin: bool = True, rsv1: bool = False
) -> bytes:
    """Return the header of a frame, whose payload follows as it is."""
    first = opcode | (_FIN if fin else 0) | (_COMPRESSED if rsv1 else 0)
    second = _MASKED if masked else 0
    if length < 126:
        head = bytes((first, second | length))
    elif length < 1 << 16:
        head = bytes((first, second | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, second | 127)) + length.to_bytes(8, "big")
    return head + _MASK if masked else head


def message(
    opcode: int, payload: bytes, *, masked: bool, window: int = 0, fragments: int = 1
) -> bytes:
    """Return the frames of a message.

    Args:
        opcode: `TEXT`, `BINARY`, or the opcode of a control frame.
        payload: What is in it.
        masked: Whether a client sends it.
        window: The bits of the window of permessage-deflate (RFC 7692); 0 does not compress.
        fragments: The number of frames.
    """
    if window:
        payload = _deflated(payload, window)
    size = max(1, -(-len(payload) // fragments))
    made = bytearray()
    for number in range(fragments):
        piece = payload[number * size : (number + 1) * size]
        made += header(
            _CONTINUATION if number else opcode,
            len(piece),
            masked=masked,
            fin=number == fragments - 1,
            rsv1=bool(window) and not number,
        )
        made += piece
    return bytes(made)


def oversize(opcode: int, size: int, *, masked: bool) -> Iterator[bytes]:
    """Yield a message of one frame in pieces, so that nobody holds the whole."""
    yield header(opcode, size, masked=masked)
    yield from filling(size, b"a")


def filling(size: int, byte: bytes = b" ") -> Iterator[bytes]:
    """Yield so many bytes, which are all the same, in pieces."""
    piece = byte * (1 << 16)
    while size > 0:
        yield piece[:size]
        size -= len(piece)


def close(code: int, reason: str, *, masked: bool) -> bytes:
    """Return a close frame."""
    return message(CLOSE, code.to_bytes(2, "big") + reason.encode(), masked=masked)


def _deflated(payload: bytes, window: int) -> bytes:
    # Each message begins anew, which is always allowed. zlib has no window of 8 bits.
    deflate = zlib.compressobj(wbits=-max(window, 9))
    data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")
