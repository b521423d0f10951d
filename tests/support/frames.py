"""WebSocket frames as they are on the wire (RFC 6455, section 5.2)."""

from __future__ import annotations

import asyncio
import base64
import enum
import hashlib
from dataclasses import dataclass

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Opcode(enum.IntEnum):
    """The kinds of frames."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


@dataclass(frozen=True)
class Frame:
    """One frame, which need not be valid; its payload is unmasked.

    Attributes:
        opcode: A plain number for an opcode that is not defined.
        masked: None for masking as the role demands.
    """

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv1: bool = False
    masked: bool | None = None

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.payload.decode()

    @property
    def close_code(self) -> int | None:
        """The code of a close frame; None if the frame does not have one."""
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else None

    @property
    def close_reason(self) -> str:
        """The reason of a close frame."""
        return self.payload[2:].decode()


def text(data: str) -> Frame:
    """Return a text frame."""
    return Frame(Opcode.TEXT, data.encode())


def binary(data: bytes) -> Frame:
    """Return a binary frame."""
    return Frame(Opcode.BINARY, data)


def ping(data: bytes = b"") -> Frame:
    """Return a ping."""
    return Frame(Opcode.PING, data)


def pong(data: bytes = b"") -> Frame:
    """Return a pong."""
    return Frame(Opcode.PONG, data)


def close(code: int | None = 1000, reason: str = "") -> Frame:
    """Return a close frame; without a code its payload is empty."""
    return Frame(Opcode.CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())


def accept_key(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask a payload, or unmask it: the operation is its own inverse."""
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return masked.to_bytes(len(payload), "big")


def encode_header(frame: Frame, length: int, mask: bytes | None = None) -> bytes:
    """Return a frame's header with a length of its own, which need not be the payload's."""
    first = (0x80 if frame.fin else 0) | (0x40 if frame.rsv1 else 0) | frame.opcode
    second = 0x80 if mask is not None else 0
    if length < 126:
        head = bytes((first, second | length))
    elif length < 1 << 16:
        head = bytes((first, second | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, second | 127)) + length.to_bytes(8, "big")
    return head + (mask or b"")


def encode(frame: Frame, mask: bytes | None = None) -> bytes:
    """Return the frame's bytes; a mask has four bytes, and None does not mask."""
    header = encode_header(frame, len(frame.payload), mask)
    return header + (frame.payload if mask is None else apply_mask(frame.payload, mask))


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read the next frame; raise `IncompleteReadError` if the stream ends before."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    mask = await reader.readexactly(4) if second & 0x80 else None
    payload = await reader.readexactly(length)
    return Frame(
        opcode=_opcode(first & 0x0F),
        payload=payload if mask is None else apply_mask(payload, mask),
        fin=bool(first & 0x80),
        rsv1=bool(first & 0x40),
        masked=mask is not None,
    )


def _opcode(value: int) -> int:
    return Opcode(value) if value in Opcode._value2member_map_ else value
