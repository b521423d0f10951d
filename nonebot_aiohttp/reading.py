"""Reading a body of unknown length, so that no peer can fill the memory."""

from __future__ import annotations

import aiohttp


async def read_up_to(content: aiohttp.StreamReader, limit: int) -> bytes:
    """Read a body chunk by chunk.

    Args:
        content: The stream of a request or of a response.
        limit: Bytes after which to stop, complete or not.

    Returns:
        The body, or its beginning of at least ``limit`` bytes.
    """
    chunks, size = [], 0
    while size < limit:
        chunk = await content.readany()
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)
