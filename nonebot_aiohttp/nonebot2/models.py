"""NoneBot's requests: made of the contract's, and their timeouts and queries for aiohttp."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cached_property, lru_cache
from http.cookies import SimpleCookie
from ipaddress import IPv6Address
from typing import Any

import aiohttp
import nonebot.utils
from multidict import CIMultiDict, MultiDict
from nonebot.drivers import Cookies, HTTPVersion, Request
from nonebot.internal.driver import model
from yarl import URL

from ..drivers import HTTPConnection, HTTPRequest
from .forms import Form, FormFile, parse_form

# Since NoneBot 2.5 UNSET stands for a value that is not given. Before, None did.
UNSET: Any = getattr(nonebot.utils, "UNSET", object())
HAS_UNSET = hasattr(nonebot.utils, "UNSET")

# NoneBot 2.4.0 has no Timeout.
Timeout: type[Any] = getattr(model, "Timeout", type("Timeout", (), {}))

NO_LIMIT = aiohttp.ClientTimeout()

UNKNOWN_HOST = "localhost"
"""The host in a request's URL if the ``Host`` header does not name one."""

MAX_PORT = 65535

_HOST = re.compile(r"(?:[\w.-]+|\[(?P<ipv6>[^\[\]%]+)\])(?::(?P<port>[0-9]{0,5}))?")

# Only its parser of values is used, which removes their quotes; it never holds a cookie.
_COOKIES: SimpleCookie = SimpleCookie()


class InboundRequest(Request):
    """A request that has arrived. Its attributes are computed on first use.

    They can be assigned, as those of NoneBot's own class.
    """

    def __init__(self, connection: HTTPConnection) -> None:
        """Make a request of the contract's, or of the handshake of a WebSocket."""
        # Not super().__init__(), which parses and copies everything; most handlers read little.
        self._connection = connection
        self.method = connection.method if isinstance(connection, HTTPRequest) else "GET"
        self.content = connection.body if isinstance(connection, HTTPRequest) else None
        self.timeout = UNSET if HAS_UNSET else None
        self.proxy = None
        # Requests have this attribute after NoneBot 2.5.0.
        self.ping_interval = UNSET

    @cached_property
    def headers(self) -> CIMultiDict[str]:  # type: ignore[override]
        """The headers, with lowercase names as in ASGI; repeated ones stay apart."""
        received: Any = self._connection.headers
        return CIMultiDict([(name.lower(), value) for name, value in received.items()])

    @cached_property
    def version(self) -> HTTPVersion:  # type: ignore[override]
        """The HTTP version."""
        return HTTPVersion(self._connection.http_version)

    @cached_property
    def url(self) -> URL:  # type: ignore[override]
        """The absolute URL, with the host of the ``Host`` header if that is valid."""
        here = self._connection
        try:
            host = _authority(self.headers.get("host", ""))
            url = URL.build(scheme=here.scheme, authority=host, path=here.path)
        except ValueError:
            host = UNKNOWN_HOST
            url = URL.build(scheme=here.scheme, authority=host, path=here.path)
        # The text is put together here, because URL.build() would encode the query a second time,
        # and yarl before 1.13 writes an IPv6 address without its brackets.
        query = here.query_string.decode("utf-8", "replace")
        return URL(f"{here.scheme}://{host}{url.raw_path}?{query}") if query else url

    @cached_property
    def cookies(self) -> Cookies:  # type: ignore[override]
        """The cookies of the request."""
        return Cookies(dict(_cookie_pairs(self.headers.getall("cookie", []))))

    @cached_property
    def json(self) -> Any:
        """The body as JSON, whatever its ``Content-Type``; None if it is not valid JSON."""
        try:
            return json.loads(self.content or b"")
        except (ValueError, RecursionError):
            return None

    @cached_property
    def data(self) -> dict[str, Any] | None:  # type: ignore[override]
        """The fields of a form, the last one of each name; None for a handshake."""
        return None if self.content is None else self._form[0]

    @cached_property
    def files(self) -> list[FormFile] | None:  # type: ignore[override]
        """The files of a multipart form; None if there are none."""
        return self._form[1] or None

    @cached_property
    def _form(self) -> Form:
        content = self.content or b""
        body = content.encode() if isinstance(content, str) else content
        return parse_form(self.headers.get("content-type", ""), body)


def _authority(host: str) -> str:
    """Return a ``Host`` header that is a host with an optional port; anything else is an error."""
    match = _HOST.fullmatch(host)
    if match is None or int(match["port"] or 0) > MAX_PORT:
        raise ValueError("the Host header is not a valid host")
    if match["ipv6"]:
        IPv6Address(match["ipv6"])
    return host


def _cookie_pairs(headers: Iterable[str]) -> Iterable[tuple[str, str]]:
    for header in headers:
        for pair in header.split(";"):
            name, equals, value = pair.partition("=")
            if equals:
                yield name.strip(), _COOKIES.value_decode(value.strip())[0]


def to_timeout(timeout: Any, otherwise: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Make aiohttp's timeout of NoneBot's: seconds, a ``Timeout``, or None for no limit.

    UNSET, and a ``Timeout`` of which nothing is set, become ``otherwise``.
    """
    if timeout is UNSET:
        return otherwise
    if isinstance(timeout, Timeout):
        limits = (timeout.total, timeout.connect, timeout.read)
    else:
        limits = (UNSET, timeout, timeout) if HAS_UNSET else (timeout, UNSET, UNSET)
    return _client_timeout(*limits) or otherwise


# Adapters use the same few limits all the time, and to make two of aiohttp's takes 2 % of a call.
@lru_cache(maxsize=64)
def _client_timeout(total: Any, connect: Any, read: Any) -> aiohttp.ClientTimeout | None:
    """Make aiohttp's timeout, or None if no limit is set."""
    limits = {"total": total, "connect": connect, "sock_read": read}
    given = {name: value for name, value in limits.items() if value is not UNSET}
    return aiohttp.ClientTimeout(**given) if given else None


def default_timeout() -> aiohttp.ClientTimeout:
    """Read NoneBot's default timeout, which users may change at any time.

    NoneBot before 2.5 has no such default. Requests have no limit then.
    """
    return to_timeout(getattr(model, "DEFAULT_TIMEOUT", None), NO_LIMIT)


def merge_query(params: Iterable[tuple[str, str]], url: URL) -> URL:
    """Add the parameters of a session to a URL, whose own parameters override them."""
    own = url.query
    added = [(name, value) for name, value in params if name not in own]
    return url.with_query(MultiDict([*added, *own.items()])) if added else url
