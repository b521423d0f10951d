"""NoneBot's models of requests, made from ours and read into aiohttp's terms."""

from __future__ import annotations

import json
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property, lru_cache
from io import BytesIO
from typing import IO, Any
from urllib.parse import parse_qsl

import aiohttp
import nonebot.utils
from multidict import CIMultiDict, MultiDict
from nonebot.drivers import Cookies, HTTPVersion, Request
from nonebot.internal.driver import model
from yarl import URL

from ..drivers import HTTPConnection, HTTPRequest

# NoneBot 2.5 tells "not said" from None; before, None is the default and means the same.
UNSET: Any = getattr(nonebot.utils, "UNSET", object())
HAS_UNSET = hasattr(nonebot.utils, "UNSET")

# NoneBot 2.4.0 has no Timeout.
Timeout: type[Any] = getattr(model, "Timeout", type("Timeout", (), {}))

_NO_LIMIT = aiohttp.ClientTimeout()

FormFile = tuple[str, tuple["str | None", IO[bytes], "str | None"]]


class InboundRequest(Request):
    """A request that has arrived; what is dear to make is made when it is asked for.

    Every attribute can be assigned, as in NoneBot's own class.
    """

    def __init__(self, connection: HTTPConnection) -> None:
        """Wrap what a transport has read.

        Args:
            connection: The request, or the handshake of a WebSocket.
        """
        # Not super().__init__(): it would parse and copy what mostly nobody reads.
        self._connection = connection
        self.method = connection.method if isinstance(connection, HTTPRequest) else "GET"
        self.content = connection.body if isinstance(connection, HTTPRequest) else None
        self.headers: CIMultiDict[str] = connection.headers  # type: ignore[assignment]
        self.timeout = UNSET if HAS_UNSET else None
        self.proxy = None

    @cached_property
    def version(self) -> HTTPVersion:  # type: ignore[override]
        """The HTTP version."""
        return HTTPVersion(self._connection.http_version)

    @cached_property
    def url(self) -> URL:  # type: ignore[override]
        """The absolute URL, its host read off the ``Host`` header."""
        here = self._connection
        host = self.headers.get("host", "localhost")
        url = URL.build(scheme=here.scheme, authority=host, path=here.path)
        # URL.build() would encode the query a second time.
        query = here.query_string.decode("utf-8", "replace")
        return URL(f"{url}?{query}") if query else url

    @cached_property
    def cookies(self) -> Cookies:  # type: ignore[override]
        """The cookies of the request."""
        return Cookies(dict(_cookie_pairs(self.headers.getall("cookie", []))))

    @cached_property
    def json(self) -> Any:
        """The body as JSON, whatever type it claims to have; None when it is not."""
        try:
            return json.loads(self.content or b"")
        except ValueError:
            return None

    @cached_property
    def data(self) -> dict[str, Any]:  # type: ignore[override]
        """The fields of a form, the last of those of one name."""
        return self._form[0]

    @cached_property
    def files(self) -> list[FormFile] | None:  # type: ignore[override]
        """The files of a multipart form; None without any."""
        return self._form[1] or None

    @cached_property
    def _form(self) -> tuple[dict[str, Any], list[FormFile]]:
        content = self.content or b""
        body = content.encode() if isinstance(content, str) else content
        kind = self.headers.get("content-type", "")
        if kind.lower().startswith("application/x-www-form-urlencoded"):
            text = body.decode("utf-8", "replace")
            return dict(parse_qsl(text, keep_blank_values=True)), []
        if kind.lower().startswith("multipart/form-data"):
            return parse_multipart(kind, body)
        return {}, []


def parse_multipart(kind: str, body: bytes) -> tuple[dict[str, Any], list[FormFile]]:
    """Parse a ``multipart/form-data`` body (RFC 7578).

    The email package would do, but not for names and files that are no ASCII.

    Args:
        kind: The ``Content-Type`` header.
        body: The body.

    Returns:
        The fields, the last of those of one name, and the files; nothing for a body that is none.
    """
    fields: dict[str, Any] = {}
    files: list[FormFile] = []
    for head, content in _parts(kind, body):
        part = HeaderParser().parsestr(head.decode("utf-8", "replace"))
        name = part.get_param("name", header="content-disposition")
        filename = part.get_param("filename", header="content-disposition")
        if isinstance(name, str) and isinstance(filename, str):
            files.append((name, (filename, BytesIO(content), part.get("content-type"))))
        elif isinstance(name, str):
            fields[name] = content.decode("utf-8", "replace")
    return fields, files


def _parts(kind: str, body: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Split a multipart body (RFC 2046, section 5.1.1) into heads and contents."""
    header = Message()
    header["content-type"] = kind
    boundary = header.get_boundary("").encode()
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not boundary or len(parts) < 2 or not parts[-1].startswith(b"--"):
        return
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        yield head.strip(), content


def _cookie_pairs(headers: Iterable[str]) -> Iterable[tuple[str, str]]:
    for header in headers:
        for pair in header.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                yield name, value.strip('"')


def to_timeout(timeout: Any, otherwise: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Read NoneBot's timeout into aiohttp's.

    Args:
        timeout: Seconds, a ``Timeout``, None for no limit, or UNSET.
        otherwise: What UNSET means.

    Returns:
        aiohttp's timeout.
    """
    if timeout is UNSET:
        return otherwise
    if isinstance(timeout, Timeout):
        pairs = (("total", "total"), ("connect", "connect"), ("sock_read", "read"))
        fields = ((ours, getattr(timeout, theirs)) for ours, theirs in pairs)
        known = tuple((name, value) for name, value in fields if value is not UNSET)
        return _client_timeout(known) if known else otherwise
    if HAS_UNSET:
        return _client_timeout((("connect", timeout), ("sock_read", timeout)))
    return _client_timeout((("total", timeout),))


@lru_cache(maxsize=64)
def _client_timeout(fields: tuple[tuple[str, Any], ...]) -> aiohttp.ClientTimeout:
    # Kept, for adapters use a few values all the time, and making one costs 3 us.
    return aiohttp.ClientTimeout(**dict(fields))


def default_timeout() -> aiohttp.ClientTimeout:
    """Read NoneBot's default timeout, which users may change at any time.

    Returns:
        aiohttp's timeout; no limit before NoneBot 2.5, which has no default.
    """
    return to_timeout(getattr(model, "DEFAULT_TIMEOUT", None), _NO_LIMIT)


def merge_query(params: Iterable[tuple[str, str]], url: URL) -> URL:
    """Add the parameters of a session to a URL, whose own ones win.

    Args:
        params: Names and values; repeated ones are kept.
        url: The URL.

    Returns:
        The URL with both.
    """
    own = url.query
    added = [(name, value) for name, value in params if name not in own]
    return url.with_query(MultiDict([*added, *own.items()])) if added else url
