"""Cookies that go out as they were given or set: no byte of a value is quoted or unquoted.

RFC 6265, section 5.4 has a client send a value as it was stored. aiohttp quotes what is not a token
(``b="A-B/C+D=="``), which breaks signatures in cookies and servers that do not unquote.
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
"""Whether aiohttp sends names that are not tokens, or mean something in ``Set-Cookie`` (3.13)."""

_NOWHERE = URL()

# They are not allowed in a cookie (RFC 6265, section 4.1.1).
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_given: ContextVar[ExactCookieJar | None] = ContextVar("cookies of the request", default=None)


class OwnHeader:
    """The ``Cookie`` header of a caller, which goes where he has sent it, alone, and no further."""

    _first: URL | None = None

    def goes_to(self, url: URL) -> bool:
        """Tell whether a request takes it: the first one, and the same when it is tried again.

        Args:
            url: aiohttp's own object, for an answer may redirect to an equal URL.
        """
        if self._first is None:
            self._first = url
        return self._first is url


own_header: ContextVar[OwnHeader | None] = ContextVar("header of the request", default=None)
"""The header of the request that is sent in this context; None leaves headers to aiohttp."""


class ExactCookieJar(aiohttp.CookieJar):
    """Keeps cookies, those of hosts without a name too, and sends each as it came."""

    def __init__(self) -> None:
        """Begin without cookies, on the running event loop."""
        super().__init__(unsafe=True, quote_cookie=False)

    def update_cookies(self, cookies: Any, response_url: URL = _NOWHERE) -> None:
        """Take cookies in; see ``aiohttp.CookieJar``.

        What a server sets in the course of a request replaces what the request was given.
        """
        exact = list(_exact(cookies.items() if isinstance(cookies, Mapping) else cookies))
        given = _given.get()
        if given is not None and given is not self:
            # Copies: aiohttp 3.10 writes into those that it keeps.
            given.update_cookies([(name, each.copy()) for name, each in exact], response_url)
        super().update_cookies(exact, response_url)

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        """Take the cookies of a response in; see ``aiohttp.CookieJar``."""
        # CookieJar's own way (since aiohttp 3.14) passes update_cookies() by.
        AbstractCookieJar.update_cookies_from_headers(self, headers, response_url)

    def filter_cookies(self, request_url: URL = _NOWHERE) -> BaseCookie[str]:
        """Choose the cookies for a URL; those of the request win. See ``aiohttp.CookieJar``."""
        chosen = super().filter_cookies(request_url)
        given = _given.get()
        if given is not None and given is not self:
            for name, cookie in given.filter_cookies(request_url).items():
                chosen[name] = cookie
        return chosen


@contextmanager
def given_cookies(cookies: Iterable[tuple[str, Morsel[str]]], url: URL) -> Iterator[None]:
    """Give cookies to the one request that is sent meanwhile, by a session with an exact jar.

    Not by aiohttp's argument ``cookies``: aiohttp 3.10 quotes its values in any case.

    Args:
        cookies: Names and cookies. Without a domain they go to the host of the request alone,
            also when it redirects (RFC 6265, section 5.3).
        url: Where the request goes.
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
    """Send the ``Cookie`` header of a caller as it is, as httpx does; see ``OwnHeader``.

    aiohttp takes it apart and merges it with other cookies, and 3.10 takes it along to other
    origins.
    """
    token = own_header.set(OwnHeader())
    try:
        yield
    finally:
        own_header.reset(token)


def exact_cookie(name: str, value: str, **attributes: Any) -> Morsel[str]:
    """Make a cookie whose value is sent as it is.

    Args:
        name: Its name.
        value: Its value.
        **attributes: Its attributes, such as ``domain``.

    Returns:
        The cookie.

    Raises:
        http.cookies.CookieError: A control character is in it, or aiohttp cannot send the name.
    """
    if _CONTROL.search(f"{name}{value}"):
        # aiohttp leaves it out (since 3.14) without a word, or sends it.
        raise CookieError(f"The cookie {name!r} has a control character: encode it")
    cookie: Morsel[str] = Morsel()
    if TAKES_ANY_NAME:
        # Pickle's way in: set() refuses names that other clients send (c[0], version).
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
