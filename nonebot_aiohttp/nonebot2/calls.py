"""One HTTP call: NoneBot's ``Request`` is sent through an aiohttp session, and its answer read."""

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


async def send(
    client: aiohttp.ClientSession,
    setup: Request,
    url: URL,
    timeout: aiohttp.ClientTimeout,
    proxy: str | None = None,
) -> aiohttp.ClientResponse:
    """Send a request, and return its answer, whose body is not read yet.

    Args:
        url: The URL of the request, with the parameters of its session.
        proxy: The proxy if the request does not name one; None takes the one of the setting or of
            the environment.

    Raises:
        TypeError: A header or a part of the body cannot be sent.
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
    """Move the login of a URL into the headers, where it replaces ``Authorization``, as in httpx.

    aiohttp encodes it in Latin-1, and refuses it beside an ``Authorization`` header.
    """
    own = CIMultiDict(headers or {})
    own[hdrs.AUTHORIZATION] = basic(url)
    return url.with_user(None), own


def text_headers(headers: CIMultiDict[Any]) -> CIMultiDict[str]:
    """Return the headers with bytes decoded, as in httpx; called before anything is connected.

    Raises:
        TypeError: A value is neither text nor bytes.
    """
    return CIMultiDict([(name, _text_header(name, value)) for name, value in headers.items()])


def _text_header(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        kind = type(value).__name__
        raise TypeError(f"The value of the header {name} must be text, not {kind}: use str()")
    return value


def nonebot_response(answer: aiohttp.ClientResponse, content: bytes, setup: Request) -> Response:
    """Make NoneBot's response of an answer and its body, or a chunk of its body."""
    # Response copies the headers.
    headers: Any = answer.headers
    return Response(answer.status, headers=headers, content=content, request=setup)


def http_version(version: str | HTTPVersion) -> aiohttp.HttpVersion:
    """Return aiohttp's HTTP version for NoneBot's.

    Raises:
        RuntimeError: aiohttp does not speak this version.
    """
    name = HTTPVersion(version).value
    if name not in HTTP_VERSIONS:
        raise RuntimeError(
            f"Unsupported HTTP version: {name}. aiohttp speaks 1.0 and 1.1; the driver ~httpx has 2"
        )
    return HTTP_VERSIONS[name]


def cookies_of(cookies: Cookies) -> list[tuple[str, Morsel[str]]]:
    """List NoneBot's cookies for a cookie jar of aiohttp, without those that have no value."""
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
    """Cut a stream into chunks of ``size`` bytes; only the last one may be shorter, not empty."""
    buffer = bytearray()
    async for data in stream.iter_any():
        buffer += data
        whole = len(buffer) - len(buffer) % size
        for start in range(0, whole, size):
            yield bytes(buffer[start : start + size])
        del buffer[:whole]
    if buffer:
        yield bytes(buffer)
