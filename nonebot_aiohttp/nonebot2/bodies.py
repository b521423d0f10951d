"""Bodies of outgoing requests: NoneBot's ``Request``, byte for byte as ``~httpx`` sends it.

It guards the rule that no header is invented: a ``Content-Type`` that the caller has not given
would break a signature that covers the headers.
"""

from __future__ import annotations

import io
import json
import mimetypes
import re
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs, payload
from aiohttp.payload import BytesPayload, Payload, get_payload
from nonebot.drivers import Request

from .forms import parameters

URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"
OCTETS = "application/octet-stream"

FormValue = str | bytes | io.IOBase

File = tuple[Any, Any, Any] | tuple[Any, Any, Any, Mapping[str, str]]
"""The name of a file, its content, its type, and optionally more headers."""

_UNTYPED: dict[str, Any] = {"skip_auto_headers": (hdrs.CONTENT_TYPE,)}
# aiohttp adds a type to none of these without a body, and to skip it costs time in each.
_BODILESS = frozenset({"GET", "HEAD"})

# As browsers write names (WHATWG HTML, "multipart/form-data"), and beyond that as httpx does:
# backslashes are doubled, and control characters encoded. So are ESC and DEL, because aiohttp
# (since 3.14) refuses to send them.
_ESCAPED = {'"': "%22", "\\": "\\\\"} | {chr(c): f"%{c:02X}" for c in (*range(0x20), 0x7F)}
_TO_ESCAPE = re.compile("|".join(map(re.escape, _ESCAPED)))


def body_arguments(setup: Request, kind: str = "") -> dict[str, Any]:
    """Make the arguments of ``ClientSession.request`` for the body of a request.

    The body is the first of content, files, data and json that is not empty; json counts unless it
    is None.

    Args:
        kind: The ``Content-Type`` header of the request, or an empty text. A multipart form uses
            the boundary in it.

    Raises:
        TypeError: A form has a value that cannot be sent.
        ValueError: JSON cannot hold a number in it (NaN, infinity), or the boundary is not valid.
    """
    if setup.content:
        return {"data": _read(setup.content), **_UNTYPED}
    if setup.files:
        pairs = form_pairs(setup.data or {})
        return {"data": multipart(pairs, setup.files, _boundary(kind))}
    if setup.data:
        return _data_arguments(setup.data, kind)
    if setup.json is not None:
        return {"data": BytesPayload(encode_json(setup.json), content_type=JSON)}
    return {} if setup.method in _BODILESS else _UNTYPED


def encode_json(value: Any) -> bytes:
    """Write JSON as httpx does since 0.28: in UTF-8, without spaces.

    A lone surrogate, which UTF-8 cannot hold, is escaped.

    Raises:
        ValueError: JSON cannot hold a number in the value (NaN, infinity).
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode(errors="backslashreplace")


def _data_arguments(data: Any, kind: str) -> dict[str, Any]:
    if isinstance(data, (str, bytes, bytearray, memoryview)) or _is_file(data):
        return {"data": _read(data), **_UNTYPED}
    if not isinstance(data, Mapping):
        # aiohttp itself handles pairs, an aiohttp.FormData and the like.
        return {"data": data}
    pairs = list(form_pairs(data))
    if any(isinstance(value, io.IOBase) for _, value in pairs):
        return {"data": multipart(pairs, (), _boundary(kind))}
    # Not aiohttp.FormData, which would send bytes as a file.
    return {"data": BytesPayload(urlencode(pairs).encode(), content_type=URLENCODED)}


def form_pairs(data: Any) -> Iterator[tuple[str, FormValue]]:
    """Yield the names and values of a form: bytes and files as they are, all else as text.

    A list or tuple as a value makes a repeated field.

    Raises:
        TypeError: The data is neither a mapping nor pairs.
    """
    if not isinstance(data, (Mapping, list, tuple)):
        raise TypeError(f"Beside files, data must be a mapping or pairs, not {type(data).__name__}")
    for name, value in data.items() if isinstance(data, Mapping) else data:
        for item in value if isinstance(value, (list, tuple)) else (value,):
            yield name, item if isinstance(item, (bytes, io.IOBase)) else _text(item)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def multipart(
    pairs: Iterable[tuple[str, FormValue]],
    files: Iterable[tuple[str, File]],
    boundary: str | None = None,
) -> aiohttp.MultipartWriter:
    """Make a multipart form (RFC 7578), with names in UTF-8 as browsers send them.

    ``aiohttp.FormData`` would add a type to each field and a name to each file.

    Args:
        pairs: Fields. Open files among them are uploaded under their own names.
        files: Field names and files, as in httpx. A file without a name is sent as a field; the
            type of a file without one is guessed from its name.
        boundary: The boundary between the parts; None generates one.

    Raises:
        TypeError: The content of a file cannot be sent.
        ValueError: The boundary is not valid.
    """
    form = aiohttp.MultipartWriter("form-data", boundary)
    for name, value in pairs:
        filename = _name_of(value, name) if isinstance(value, io.IOBase) else None
        form.append_payload(_part(name, value, filename, None))
    for name, file in files:
        if not 3 <= len(file) <= 4:
            raise TypeError(f"The file {name!r} must be (name, content, type[, headers])")
        filename, content, kind, *more = file
        form.append_payload(_part(name, content, filename, kind, *more))
    return form


def _boundary(kind: str) -> str | None:
    if not kind.lower().startswith("multipart/form-data"):
        return None
    return parameters(kind).get("boundary") or None


def _part(
    name: str,
    content: Any,
    filename: str | None,
    kind: str | None,
    headers: Mapping[str, str] | None = None,
) -> Payload:
    try:
        part = get_payload(_read(content))
    except payload.LookupError:
        given = type(content).__name__
        raise TypeError(f"The file {name!r} must be bytes, text or a file, not {given}") from None
    # aiohttp has invented some.
    part.headers.clear()
    disposition = f'form-data; name="{_escape(name)}"'
    if filename:
        disposition += f'; filename="{_escape(filename)}"'
        kind = kind or mimetypes.guess_type(filename)[0] or OCTETS
    part.headers[hdrs.CONTENT_DISPOSITION] = disposition
    part.headers.update(headers or {})
    if kind and hdrs.CONTENT_TYPE not in part.headers:
        part.headers[hdrs.CONTENT_TYPE] = kind
    return part


def _read(content: Any) -> Any:
    """Read a file from its beginning, and encode text.

    A file itself is not given to aiohttp, which closes the files it has sent, because the request
    may be sent again.
    """
    if _is_file(content):
        with suppress(io.UnsupportedOperation, AttributeError):
            content.seek(0)
        content = content.read()
    return content.encode() if isinstance(content, str) else content


def _is_file(content: Any) -> bool:
    return hasattr(content, "read") and not isinstance(content, AsyncIterable)


def _name_of(file: io.IOBase, otherwise: str) -> str:
    path = getattr(file, "name", None)
    return PurePath(path).name if isinstance(path, str) else otherwise


def _escape(name: str) -> str:
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], name)
