"""One HTTP call: NoneBot's ``Request`` sent through a session of aiohttp's, and its answer read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from http.cookies import Morsel
from typing import Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from nonebot.drivers import Cookies, HTTPVersion, Request, Response
from yarl import URL

from ..connections.connector import basic
from ..connections.cookies import exact_cookie, given_cookies, given_header
from ..connections.proxies import proxy_of_request
from ..connections.sessions import HTTP_VERSIONS
from .bodies import body_arguments

_VERSIONS: dict[Any, aiohttp.HttpVersion] = {
    **HTTP_VERSIONS,
    **{HTTPVersion(name): version for name, version in HTTP_VERSIONS.items()},
}


async def send(
    client: aiohttp.ClientSession,
    setup: Request,
    url: URL,
    timeout: aiohttp.ClientTimeout,
    proxy: str | None = None,
) -> aiohttp.ClientResponse:
    """Send a request.

    Args:
        client: Sends it.
        setup: The request.
        url: Where to.
        timeout: The limits.
        proxy: The proxy of requests that do not name one; None takes the setting's or the
            environment's.

    Returns:
        The answer, whose body is still to be read, as a context manager.

    Raises:
        TypeError: A header or a part of the body is nothing that can be sent.
        ValueError: JSON cannot hold a number in the body, or the boundary is not valid.
    """
    headers = text_headers(setup.headers)
    kind = headers.get(hdrs.CONTENT_TYPE) or client.headers.get(hdrs.CONTENT_TYPE) or ""
    if url.raw_user is not None:
        url, headers = with_login(url, headers)
    call = partial(
        client.request,
        setup.method,
        url,
        headers=headers,
        timeout=timeout,
        proxy=proxy_of_request(setup.proxy or proxy),
        **body_arguments(setup, kind),
    )
    if hdrs.COOKIE in setup.headers or hdrs.COOKIE in client.headers:
        with given_header():
            return await call()
    if not setup.cookies:
        return await call()
    with given_cookies(cookies_of(setup.cookies), url):
        return await call()


def with_login(url: URL, headers: Mapping[str, str] | None) -> tuple[URL, CIMultiDict[str]]:
    """Move the login of a URL into the headers, as httpx does.

    aiohttp encodes it in Latin-1, and refuses it beside an ``Authorization`` header.

    Args:
        url: The URL, with a user.
        headers: The headers, if any. The login replaces their ``Authorization``.

    Returns:
        The URL without the login, and headers with it.
    """
    own = CIMultiDict(headers or {})
    own[hdrs.AUTHORIZATION] = basic(url)
    return url.with_user(None), own


def text_headers(headers: CIMultiDict[Any]) -> CIMultiDict[str]:
    """Check the values of headers before anything is connected; bytes become text, as in httpx.

    Args:
        headers: The headers.

    Returns:
        The headers, as text.

    Raises:
        TypeError: A value is neither text nor bytes.
    """
    if all(type(value) is str for value in headers.values()):
        return headers
    return CIMultiDict([(name, _text_header(name, value)) for name, value in headers.items()])


def _text_header(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        kind = type(value).__name__
        raise TypeError(f"The value of the header {name} must be text, not {kind}: use str()")
    return value


def nonebot_response(answer: aiohttp.ClientResponse, content: bytes, setup: Request) -> Response:
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


def cookies_of(cookies: Cookies) -> list[tuple[str, Morsel[str]]]:
    """List cookies by name, for a jar of aiohttp's.

    Args:
        cookies: NoneBot's cookies.

    Returns:
        Names and cookies; those without a value are left out.
    """
    return [
        (
            each.name,
            exact_cookie(
                each.name, each.value, domain=each.domain, path=each.path, secure=each.secure
            ),
        )
        for each in cookies.jar
        if each.value is not None
    ]


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
