"""Bodies of answers that came compressed: decoded up to a limit, and only if complete.

aiohttp does not notice that a gzip body is cut off.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import aiohttp
from aiohttp import hdrs

ACCEPTED = "gzip, deflate"
"""What ``read_answer`` can decode, for the header ``Accept-Encoding``."""

_DECODABLE = frozenset({"gzip", "x-gzip", "deflate", "identity"})

CHUNK_SIZE = 1024 * 1024
"""Bytes that are decoded before this yields to the event loop."""


def accepted(wanted: str | None) -> str:
    """Choose the encodings that a poll asks for (RFC 9110, section 12.5.3).

    Args:
        wanted: The setup's own header, such as a browser's; None if it has none.

    Returns:
        The part of it that can be decoded.
    """
    if wanted is None:
        return ACCEPTED
    items = (each.strip() for each in wanted.split(","))
    kept = [each for each in items if each.partition(";")[0].strip().lower() in _DECODABLE]
    return ", ".join(kept) or "identity"


async def read_answer(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body of an answer, which a session without ``auto_decompress`` has received.

    Args:
        limit: Bytes that the body may have, compressed or not.

    Raises:
        aiohttp.ClientPayloadError: The body is larger, or incomplete, or has another encoding.
    """
    if (response.content_length or 0) > limit:
        raise _too_large(limit)
    body = await _read(response.content, limit)
    for encoding in reversed(_encodings(response)):
        body = await decode(encoding, body, limit)
    return body


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    chunks, size = [], 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _encodings(response: aiohttp.ClientResponse) -> list[str]:
    """List the encodings of a body, in the order in which they were applied (RFC 9110, 8.4)."""
    named = response.headers.getall(hdrs.CONTENT_ENCODING, ())
    encodings = (each.strip().lower() for each in ",".join(named).split(","))
    return [each for each in encodings if each not in ("", "identity")]


async def decode(encoding: str, body: bytes, limit: int) -> bytes:
    """Decode a body.

    Args:
        encoding: ``gzip`` or ``deflate`` (RFC 9110, section 8.4.1).
        limit: Bytes that the decoded body may have.

    Raises:
        aiohttp.ClientPayloadError: The body is larger, or incomplete, or has another encoding.
    """
    parts, size = [], 0
    try:
        while body:
            decoder = _decoder(encoding, body)
            while not decoder.eof:
                parts.append(decoder.decompress(body, CHUNK_SIZE))
                size += len(parts[-1])
                if size > limit:
                    raise _too_large(limit)
                if not parts[-1] and not decoder.unconsumed_tail and not decoder.eof:
                    raise aiohttp.ClientPayloadError(f"the answer's {encoding} is cut off")
                body = decoder.unconsumed_tail
                await asyncio.sleep(0)
            # gzip may have several members (RFC 1952, section 2.2), and padding behind them.
            body = decoder.unused_data.lstrip(b"\0")
    except zlib.error:
        raise aiohttp.ClientPayloadError(f"the answer is not valid {encoding}") from None
    return b"".join(parts)


def _decoder(encoding: str, body: bytes) -> Any:
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    if encoding == "deflate":
        # Some servers leave out the header that it must have (RFC 9110, section 8.4.1.2).
        return zlib.decompressobj(zlib.MAX_WBITS if body[0] & 0x0F == 8 else -zlib.MAX_WBITS)
    text = f"the answer is encoded as {encoding!r}, and only {ACCEPTED} can be decoded"
    raise aiohttp.ClientPayloadError(text)


def _too_large(limit: int) -> aiohttp.ClientPayloadError:
    text = f"the answer is larger than {limit} bytes (aiohttp_max_body_size)"
    return aiohttp.ClientPayloadError(text)
