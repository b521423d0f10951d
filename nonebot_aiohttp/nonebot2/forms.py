"""Forms that have arrived: ``multipart/form-data`` taken apart in linear time, within limits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 8192
"""Bytes that the headers of one part may have."""

MAX_PARTS = 1000
"""Parts that a form may have."""

FormFile = tuple[str, tuple["str | None", IO[bytes], "str | None"]]

Form = tuple[dict[str, Any], list[FormFile]]

# Linear: of the quotes that open a value, at most one is never closed.
_PARAMETER = re.compile(
    r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("((?:[^"\\]|\\.)*)"|[^;\s]*)""", re.ASCII | re.DOTALL
)
# What RFC 5987 demands; Python's other codecs are not all meant for strangers.
_CHARSETS = ("utf-8", "iso-8859-1")
_ESCAPED = re.compile(r'\\(["\\])')


class _Malformed(Exception):
    """A body is no multipart form, or one over the limits."""


def parse_form(kind: str, body: bytes) -> Form:
    """Parse the body of a form.

    Args:
        kind: The ``Content-Type`` header.
        body: The body.

    Returns:
        The fields, the last of those of one name, and the files; nothing for another type.
    """
    if kind.lower().startswith("application/x-www-form-urlencoded"):
        text = body.decode("utf-8", "replace")
        return dict(parse_qsl(text, keep_blank_values=True)), []
    if kind.lower().startswith("multipart/form-data"):
        return parse_multipart(kind, body)
    return {}, []


def parse_multipart(kind: str, body: bytes) -> Form:
    """Parse a ``multipart/form-data`` body (RFC 7578).

    Args:
        kind: The ``Content-Type`` header.
        body: The body.

    Returns:
        The fields, the last of those of one name, and the files; nothing for a body that is none,
        or has more than ``MAX_PARTS`` parts, or a part whose head is over ``MAX_HEAD``.
    """
    try:
        return _collect(_parts(_parameters(kind).get("boundary", ""), body))
    except _Malformed:
        return {}, []


def _collect(parts: Iterable[tuple[str, bytes]]) -> Form:
    fields: dict[str, Any] = {}
    files: list[FormFile] = []
    for head, content in parts:
        headers = _headers(head)
        said = _parameters(headers.get("content-disposition", ""))
        name, filename = _text(said, "name"), _text(said, "filename")
        if name is not None and filename is not None:
            files.append((name, (filename, BytesIO(content), headers.get("content-type"))))
        elif name is not None:
            fields[name] = content.decode("utf-8", "replace")
    return fields, files


def _parts(boundary: str, body: bytes) -> Iterable[tuple[str, bytes]]:
    """Split a multipart body (RFC 2046, section 5.1.1) into heads and contents."""
    # One split more than there may be parts: what is last then has to be the end.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(errors="replace"), MAX_PARTS + 1)
    if not boundary or len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise _Malformed
    for part in parts[1:-1]:
        end = part.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
        if end < 0:
            raise _Malformed
        yield part[:end].decode("utf-8", "replace"), part[end + 4 :]


def _headers(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parameters(header: str) -> dict[str, str]:
    """Read the parameters of a header such as ``form-data; name="f"; filename="a.txt"``."""
    return {
        name.lower(): value if quoted is None else _ESCAPED.sub(r"\1", quoted)
        for name, value, quoted in (match.groups() for match in _PARAMETER.finditer(header))
    }


def _text(parameters: dict[str, str], name: str) -> str | None:
    """Take a parameter, rather as RFC 5987 has it: ``filename*=utf-8''%E5%9B%BE.png``."""
    charset, _, rest = parameters.get(name + "*", "").partition("'")
    _, tick, encoded = rest.partition("'")
    if tick and charset.lower() in _CHARSETS:
        return unquote(encoded, charset, "replace")
    return parameters.get(name)
