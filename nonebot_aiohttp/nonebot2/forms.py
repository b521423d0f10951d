"""Forms that have arrived: ``multipart/form-data`` taken apart in linear time, within limits."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from io import BytesIO
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

from ..log import logger

try:
    import python_multipart
    from python_multipart.exceptions import FormParserError
except ModuleNotFoundError:
    python_multipart = None  # type: ignore[assignment]

MAX_HEAD = 8192
"""Bytes that the headers of one part may have."""

MAX_PARTS = 1000
"""Parts that a form may have."""

MAX_PADDING = 1 << 16
"""Bytes of a form that belong to no part, in which the parser goes from byte to byte; and those
that it parses before somebody looks."""

FormFile = tuple[str, tuple["str | None", IO[bytes], "str | None"]]

Form = tuple[dict[str, Any], list[FormFile]]

# Linear: of the quotes that open a value, at most one is never closed. Not python-multipart's own
# function, which passes over the file names of RFC 5987.
_PARAMETER = re.compile(
    r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("((?:[^"\\]|\\.)*)"|[^;\s]*)""", re.ASCII | re.DOTALL
)
# What RFC 5987 demands; Python's other codecs are not all meant for strangers.
_CHARSETS = ("utf-8", "iso-8859-1")
# Those that forms are written in, each read in linear time. Not whatever Python finds by a name.
_FORM_CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "windows-1252", "gbk", "gb2312", "gb18030", "big5"}
    | {"shift_jis", "euc-jp", "euc-kr"}
)
_ESCAPED = re.compile(r'\\(["\\])')

_LIMITS: dict[str, Any] = {"max_header_count": MAX_HEAD, "max_header_size": MAX_HEAD}
# Its own (since 0.0.27) are lower than the one of this module, which counts a head as a whole.

# Not in the tree of loggers: the parser warns of what any stranger sends.
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


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
        or has more than ``MAX_PARTS`` parts, or a part whose head is over ``MAX_HEAD``. Of a body
        that is cut off those that are whole. Nothing without python-multipart, which NoneBot's
        own servers need for it, too. What is no text in the charset of the type, UTF-8 if it says
        none, is read as Latin-1, as NoneBot's own servers do.
    """
    if python_multipart is None:
        _tell_missing()
        return {}, []
    said = parameters(kind)
    reader = _FormReader(said.get("charset", "utf-8"))
    try:
        reader.read(said.get("boundary", ""), body)
    except (_Malformed, FormParserError):
        return {}, []
    return reader.fields, reader.files


@functools.cache
def _tell_missing() -> None:
    logger.warning(
        "A multipart form has arrived, and python-multipart is not installed: its fields and files"
        ' are passed over. Install the extra: pip install "nonebot-aiohttp[multipart]"'
    )


def _make_parser(boundary: bytes, callbacks: Any) -> python_multipart.MultipartParser:
    known = inspect.signature(python_multipart.MultipartParser).parameters
    limits = {name: limit for name, limit in _LIMITS.items() if name in known}
    parser = python_multipart.MultipartParser(boundary, callbacks, **limits)
    parser.logger = _SILENT
    return parser


class _FormReader:
    """Collects the parts that python-multipart finds.

    Attributes:
        fields: The fields, the last of those of one name.
        files: The files.
    """

    def __init__(self, charset: str) -> None:
        """Begin without parts, whose texts are in a charset."""
        self._charset = charset.lower() if charset.lower() in _FORM_CHARSETS else "latin-1"
        self.fields: dict[str, Any] = {}
        self.files: list[FormFile] = []
        self._is_complete = False
        self._parts = 0
        self._framing = 0
        self._accounted = 0

    def read(self, boundary: str, body: bytes) -> None:
        """Take a body apart.

        Raises:
            _Malformed: It is no form, or over the limits.
            FormParserError: It is no form.
        """
        delimiter = b"\r\n--" + boundary.encode(errors="replace")
        # The parser goes from byte to byte wherever a line begins like a boundary, which none in
        # a part may (RFC 2046, section 5.1.1).
        if not boundary or body.count(delimiter) > MAX_PARTS + 1:
            raise _Malformed
        # Of a part: its delimiter, the line break behind it, and its empty line.
        self._framing = len(delimiter) + len("\r\n\r\n")
        parser = _make_parser(delimiter[4:], self._callbacks())
        for start in range(0, len(body), MAX_PADDING):
            end = start + parser.write(body[start : start + MAX_PADDING])
            if self._is_complete:
                return
            if end - self._accounted > MAX_PADDING:
                raise _Malformed

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_name,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_part_data": self._take_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _Malformed
        self._accounted += self._framing
        self._headers: dict[str, str] = {}
        self._name, self._value = b"", b""
        self._head = 0
        self._content: list[bytes] = []

    def _take_name(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _count(self, size: int) -> None:
        self._accounted += size
        self._head += size
        if self._head > MAX_HEAD:
            raise _Malformed

    def _end_header(self) -> None:
        self._count(len(": \r\n"))
        name, value = self._decode(self._name), self._decode(self._value)
        self._headers[name.lower()] = value.strip()
        self._name, self._value = b"", b""

    def _take_content(self, data: bytes, start: int, end: int) -> None:
        self._accounted += end - start
        self._content.append(data[start:end])

    def _end_part(self) -> None:
        said = parameters(self._headers.get("content-disposition", ""))
        name, filename = _text(said, "name"), _text(said, "filename")
        content = b"".join(self._content)
        if name is not None and filename is not None:
            kind = self._headers.get("content-type")
            self.files.append((name, (filename, BytesIO(content), kind)))
        elif name is not None:
            self.fields[name] = self._decode(content)

    def _decode(self, text: bytes) -> str:
        try:
            return text.decode(self._charset)
        except UnicodeDecodeError:
            return text.decode("latin-1")

    def _end(self) -> None:
        self._is_complete = True


def parameters(header: str) -> dict[str, str]:
    """Read the parameters of a header such as ``form-data; name="f"; filename="a.txt"``.

    Args:
        header: The header.

    Returns:
        The values by their names, which are in lower case.
    """
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
