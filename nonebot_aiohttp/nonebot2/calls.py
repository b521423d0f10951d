"""One HTTP call: NoneBot's ``Request`` sent through a session of aiohttp's, and its answer read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
from nonebot.drivers import Cookies, HTTPVersion, Request, Response
from yarl import URL

from ..session import HTTP_VERSIONS
from .bodies import body_arguments

_VERSIONS: dict[Any, aiohttp.HttpVersion] = {
    **HTTP_VERSIONS,
    **{HTTPVersion(name): version for name, version in HTTP_VERSIONS.items()},
}


def send(
    client: aiohttp.ClientSession,
    setup: Request,
    url: URL,
    timeout: aiohttp.ClientTimeout,
    proxy: str | None = None,
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """Send a request.

    Args:
        client: Sends it.
        setup: The request.
        url: Where to.
        timeout: The limits.
        proxy: The proxy, if the request names none; None takes the setting's or the environment's.

    Returns:
        A context manager that gives the answer.
    """
    proxy = setup.proxy or proxy
    optional: dict[str, Any] = {"proxy": proxy} if proxy else {}
    if setup.cookies:
        optional["cookies"] = cookie_pairs(setup.cookies)
    return client.request(
        setup.method,
        url,
        headers=setup.headers,
        timeout=timeout,
        **body_arguments(setup),
        **optional,
    )


def to_response(answer: aiohttp.ClientResponse, content: bytes, setup: Request) -> Response:
    """Make NoneBot's response, which copies the headers.

    Args:
        answer: What aiohttp has received.
        content: The body, or a part of it.
        setup: The request.

    Returns:
        The response.
    """
    headers: Any = answer.headers
    return Response(answer.status, headers=headers, content=content, request=setup)


def http_version(version: str | HTTPVersion) -> aiohttp.HttpVersion:
    """Read NoneBot's HTTP version into aiohttp's.

    Args:
        version: The version.

    Returns:
        aiohttp's version.

    Raises:
        RuntimeError: aiohttp does not speak it.
    """
    found = _VERSIONS.get(version)
    if found is None:
        name = HTTPVersion(version).value
        raise RuntimeError(
            f"Unsupported HTTP version: {name}. aiohttp speaks 1.0 and 1.1; the driver ~httpx has 2"
        )
    return found


def cookie_pairs(cookies: Cookies) -> list[tuple[str, str]]:
    """List cookies by name and value.

    Args:
        cookies: NoneBot's cookies.

    Returns:
        The pairs.
    """
    return [(cookie.name, cookie.value) for cookie in cookies.jar if cookie.value is not None]


async def exact_chunks(stream: aiohttp.StreamReader, size: int) -> AsyncIterator[bytes]:
    """Cut a stream into chunks of one size, the last one shorter, none empty.

    Args:
        stream: What to read.
        size: Bytes of a chunk.

    Yields:
        The chunks.
    """
    buffer = bytearray()
    async for data in stream.iter_any():
        buffer += data
        whole = len(buffer) - len(buffer) % size
        for start in range(0, whole, size):
            yield bytes(buffer[start : start + size])
        del buffer[:whole]
    if buffer:
        yield bytes(buffer)
