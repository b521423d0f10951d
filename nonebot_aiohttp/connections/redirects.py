"""Redirects of polls and of WebSocket handshakes: who is followed where, and with what.

It guards the rule that what a setup holds, such as a token, goes to the host that the setup names
and to nobody else.
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
"""Redirects in a row, as many as aiohttp follows."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Outgoing:
    """A request of a setup.

    Attributes:
        method: Its method, in capitals.
        url: Where it goes.
        headers: The setup's own headers, if any.
        body: The setup's own body, if any.
    """

    method: str
    url: URL
    headers: Mapping[str, str] | None
    body: bytes | None = None


class Redirected(Exception):
    """A request was answered with a redirect, which was not followed.

    Attributes:
        answer: The answer.
    """

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        """Take the answer."""
        super().__init__(f"redirected with {answer.status}")
        self.answer = answer


class RedirectRefused(aiohttp.ClientResponseError):
    """A request was redirected to where it must not go."""


def raising() -> aiohttp.TraceConfig:
    """Make what has a session raise ``Redirected`` rather than follow.

    Returns:
        The configuration, for ``trace_configs`` of a session.
    """
    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(_raise)
    return config


async def _raise(_: Any, __: Any, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    # aiohttp closes nothing when this raises.
    redirect.response.close()
    raise Redirected(redirect.response)


async def following(send: Callable[[Outgoing], Awaitable[_T]], request: Outgoing) -> _T:
    """Send a request, and where its answers lead.

    Args:
        send: Sends one request by a session that has ``raising()``.
        request: The request.

    Returns:
        What ``send`` returns in the end.

    Raises:
        RedirectRefused: An answer leads to where the request must not go.
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
        raise refused(answer, "redirected to what is no URL") from None
    if target.scheme not in HTTP_SCHEMES | WEBSOCKET_SCHEMES or not target.host or port is None:
        raise refused(answer, f"redirected to {redact_url(target)}, which is no URL of HTTP")
    return target.with_scheme(_scheme(url, target))


def _scheme(url: URL, target: URL) -> str:
    """Choose the scheme of the request's own kind, as secure as the target's."""
    choose = websocket_scheme if url.scheme in WEBSOCKET_SCHEMES else http_scheme
    return choose(target.scheme)


def becomes_get(status: int, method: str) -> bool:
    """Tell whether clients make a GET of what is redirected (RFC 9110, 15.4.2 to 15.4.4)."""
    if status == 303:
        return method not in ("GET", "HEAD")
    return status in (301, 302) and method == "POST"


def is_same_host(url: URL, target: URL) -> bool:
    """Tell whether a redirect leads to the same host, or to the same one by TLS.

    Args:
        url: The URL that was asked for.
        target: Where its answer leads.
    """
    if url.raw_host != target.raw_host:
        return False
    upgraded = url.scheme not in SECURE_SCHEMES and target.scheme in SECURE_SCHEMES
    return upgraded or (url.scheme, url.port) == (target.scheme, target.port)


def refused(answer: aiohttp.ClientResponse, reason: str) -> RedirectRefused:
    """Make the error of a redirect that is not followed.

    Args:
        answer: The redirect.
        reason: Why, without secrets.

    Returns:
        The error.
    """
    return RedirectRefused(
        answer.request_info,
        answer.history,
        status=answer.status,
        message=reason,
        headers=answer.headers,
    )
