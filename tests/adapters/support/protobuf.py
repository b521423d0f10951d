"""As much of Protocol Buffers' encoding as a message of numbers, texts and messages takes.

See https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections import defaultdict

VARINT, LENGTH_DELIMITED = 0, 2

Fields = dict[int, list[int | bytes]]


def encode(*fields: tuple[int, int | bytes]) -> bytes:
    """Encode a message: the numbers of its fields, and their values."""
    return b"".join(_encode_field(number, value) for number, value in fields)


def _encode_field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _encode_varint(number << 3 | VARINT) + _encode_varint(value)
    return _encode_varint(number << 3 | LENGTH_DELIMITED) + _encode_varint(len(value)) + value


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode(data: bytes) -> Fields:
    """Decode a message: all values of each field, by its number."""
    fields: Fields = defaultdict(list)
    while data:
        tag, data = _decode_varint(data)
        assert tag & 7 in (VARINT, LENGTH_DELIMITED), f"wire type {tag & 7}"
        number, data = _decode_varint(data)
        if tag & 7 == VARINT:
            fields[tag >> 3].append(number)
        else:
            fields[tag >> 3].append(data[:number])
            data = data[number:]
    return fields


def _decode_varint(data: bytes) -> tuple[int, bytes]:
    value = 0
    for index, byte in enumerate(data):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, data[index + 1 :]
    raise AssertionError("a number has no end")
