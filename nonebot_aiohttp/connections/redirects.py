"""Redirects of polls and of WebSocket handshakes: which are followed, and with which headers.

It guards the rule that the headers and the body of a setup, which may contain a token, go only to
the host that the setup names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import aiohttp
from aiohttp import hdrs
from yarl import URL

from ..log import redact_url
from .locations import as_it_stands
from .schemes import (
    HTTP_SCHEMES,
    SECURE_SCHEMES,
    WEBSOCKET_SCHEMES,
    http_scheme,
    websocket_scheme,
)

MAX_REDIRECTS = 10
"""Redirects that are followed in a row; aiohttp's own limit."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Outgoing:
    """A request of a setup; ``headers`` and ``body`` are None after a redirect to another host."""

    method: str
    url: URL
    headers: Mapping[str, str] | None
    body: bytes | None = None


class Redirected(Exception):
    """A request was answered with a redirect, which the session has not followed."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        super().__init__(f"redirected with {answer.status}")
        self.answer = answer


class RedirectRefused(aiohttp.ClientResponseError):
    """A request was redirected to a URL to which it must not go."""


def raising() -> aiohttp.TraceConfig:
    """Make a configuration for ``trace_configs`` that makes a session raise ``Redirected``."""
    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(_raise)
    return config


async def _raise(_: Any, __: Any, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    # aiohttp does not close the response when this raises.
    redirect.response.close()
    raise Redirected(redirect.response)


async def following(send: Callable[[Outgoing], Awaitable[_T]], request: Outgoing) -> _T:
    """Send a request and follow redirects; the session of ``send`` must have ``raising()``.

    Raises:
        RedirectRefused: The request must not follow a redirect.
    """
    followed = 0
    while True:
        try:
            return await send(request)
        except Redirected as redirected:
            if followed == MAX_REDIRECTS:
                reason = f"more than {MAX_REDIRECTS} redirects"
                raise refused(redirected.answer, reason) from None
            request = _next(request, redirected.answer)
            followed += 1


def _next(request: Outgoing, answer: aiohttp.ClientResponse) -> Outgoing:
    """Make the request that follows a redirect (RFC 9110, section 15.4)."""
    url = _target(request.url, answer)
    where = redact_url(url)
    if request.url.scheme in SECURE_SCHEMES and url.scheme not in SECURE_SCHEMES:
        raise refused(answer, f"redirected to {where}, from TLS to plain text")
    if becomes_get(answer.status, request.method):
        raise refused(answer, f"redirected to {where}, where a {request.method} would be a GET")
    if is_same_host(request.url, url):
        if url.user is None:
            url = url.with_user(request.url.user).with_password(request.url.password)
        return replace(request, url=url)
    return Outgoing(request.method, url, None)


def _target(url: URL, answer: aiohttp.ClientResponse) -> URL:
    location = answer.headers.get(hdrs.LOCATION)
    if location is None:
        raise refused(answer, "redirected without a Location")
    try:
        target = as_it_stands(url.join(URL(location, encoded=True)))
        port = target.port
    except ValueError:
        raise refused(answer, "redirected to a Location that is not a valid URL") from None
    if target.scheme not in HTTP_SCHEMES | WEBSOCKET_SCHEMES or not target.host or port is None:
        raise refused(answer, f"redirected to {redact_url(target)}, which is not a URL of HTTP")
    return target.with_scheme(_scheme(url, target))


def _scheme(url: URL, target: URL) -> str:
    """Return the scheme that is of the request's kind, and as secure as the target's."""
    choose = websocket_scheme if url.scheme in WEBSOCKET_SCHEMES else http_scheme
    return choose(target.scheme)


def becomes_get(status: int, method: str) -> bool:
    """Return whether clients follow such a redirect with a GET (RFC 9110, 15.4.2 to 15.4.4)."""
    if status == 303:
        return method not in ("GET", "HEAD")
    return status in (301, 302) and method == "POST"


def is_same_host(url: URL, target: URL) -> bool:
    """Return whether a redirect keeps scheme, host and port, or goes to TLS on the same host."""
    if url.raw_host != target.raw_host:
        return False
    upgraded = url.scheme not in SECURE_SCHEMES and target.scheme in SECURE_SCHEMES
    return upgraded or (url.scheme, url.port) == (target.scheme, target.port)


def refused(answer: aiohttp.ClientResponse, reason: str) -> RedirectRefused:
    """Make the error of a redirect that is not followed; the reason must not contain a secret."""
    return RedirectRefused(
        answer.request_info,
        answer.history,
        status=answer.status,
        message=reason,
        headers=answer.headers,
    )
