"""Cookies that are sent as they were given or set: no byte of a value is quoted or unquoted.

RFC 6265, section 5.4 says that a client sends a value as it was stored. aiohttp quotes a value that
is not a token (``b="A-B/C+D=="``). That breaks signatures in cookies, and servers that do not
unquote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http.cookies import BaseCookie, CookieError, Morsel
from typing import Any

import aiohttp
from aiohttp.abc import AbstractCookieJar
from yarl import URL

TAKES_ANY_NAME = hasattr(aiohttp.CookieJar, "quote_cookie")
"""Whether aiohttp (3.13) sends names that are not tokens or are attributes of ``Set-Cookie``."""

_NOWHERE = URL()

# Control characters, which are not allowed in a cookie (RFC 6265, section 4.1.1).
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_given: ContextVar[ExactCookieJar | None] = ContextVar("cookies of the request", default=None)


class OwnHeader:
    """A caller's own ``Cookie`` header, which is sent alone, and only to the URL of the call."""

    _first: URL | None = None

    def goes_to(self, url: URL) -> bool:
        """Return whether a request carries the header: the first one, and its retries.

        They share one URL object. The target of a redirect may be equal, but is another object.
        """
        if self._first is None:
            self._first = url
        return self._first is url


own_header: ContextVar[OwnHeader | None] = ContextVar("header of the request", default=None)
"""The header of the request that this context sends; None leaves cookies to aiohttp."""


class ExactCookieJar(aiohttp.CookieJar):
    """Keeps cookies, also those of IP addresses, and sends each as it came."""

    def __init__(self) -> None:
        super().__init__(unsafe=True, quote_cookie=False)

    def update_cookies(self, cookies: Any, response_url: URL = _NOWHERE) -> None:
        """Store cookies; see ``aiohttp.CookieJar``.

        A cookie that a server sets during a request replaces one that the request was given.
        """
        exact = list(_exact(cookies.items() if isinstance(cookies, Mapping) else cookies))
        given = _given.get()
        if given is not None and given is not self:
            # Copies, because aiohttp 3.10 changes the cookies that it stores.
            given.update_cookies([(name, each.copy()) for name, each in exact], response_url)
        super().update_cookies(exact, response_url)

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        """Store the cookies of a response; see ``aiohttp.CookieJar``."""
        # CookieJar's own method (since aiohttp 3.14) does not call update_cookies().
        AbstractCookieJar.update_cookies_from_headers(self, headers, response_url)

    def filter_cookies(self, request_url: URL = _NOWHERE) -> BaseCookie[str]:
        """Choose the cookies for a URL; the request's own win. See ``aiohttp.CookieJar``."""
        chosen = super().filter_cookies(request_url)
        given = _given.get()
        if given is not None and given is not self:
            for name, cookie in given.filter_cookies(request_url).items():
                chosen[name] = cookie
        return chosen


@contextmanager
def given_cookies(cookies: Iterable[tuple[str, Morsel[str]]], url: URL) -> Iterator[None]:
    """Add cookies to the one request to ``url`` that a session with an exact jar sends meanwhile.

    A cookie without a domain goes only to the host of ``url``, also after a redirect (RFC 6265,
    section 5.3). aiohttp's own argument ``cookies`` is not used, because aiohttp 3.10 quotes it.
    """
    jar = ExactCookieJar()
    jar.update_cookies(cookies, url)
    token = _given.set(jar)
    try:
        yield
    finally:
        _given.reset(token)


@contextmanager
def given_header() -> Iterator[None]:
    """Send the ``Cookie`` header of the caller as it is, as httpx does; see ``OwnHeader``.

    aiohttp parses it and merges it with other cookies; 3.10 also sends it to other origins.
    """
    token = own_header.set(OwnHeader())
    try:
        yield
    finally:
        own_header.reset(token)


def exact_cookie(name: str, value: str, **attributes: Any) -> Morsel[str]:
    """Make a cookie whose value is sent as it is; an attribute is ``domain``, for example.

    Raises:
        http.cookies.CookieError: It contains a control character, or aiohttp cannot send the name.
    """
    if _CONTROL.search(f"{name}{value}"):
        # aiohttp sends it, or leaves the cookie out without an error (since 3.14).
        raise CookieError(f"The cookie {name!r} has a control character: encode it")
    cookie: Morsel[str] = Morsel()
    if TAKES_ANY_NAME:
        # As unpickling does, because set() refuses names that other clients send (c[0], version).
        state = {"key": name, "value": value, "coded_value": value}
        cookie.__setstate__(state)  # type: ignore[attr-defined]
    else:
        cookie.set(name, value, value)
    cookie.update(attributes)
    return cookie


def _exact(cookies: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Morsel[str]]]:
    for name, cookie in cookies:
        if isinstance(cookie, Morsel) and cookie.value == cookie.coded_value:
            yield name, cookie
        elif isinstance(cookie, Morsel):
            # Python 3.13.13 and newer refuse control characters, and so does aiohttp.
            with suppress(CookieError):
                yield name, exact_cookie(cookie.key, cookie.coded_value, **cookie)
        else:
            yield name, exact_cookie(name, cookie)
