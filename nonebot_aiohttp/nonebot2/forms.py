"""Forms that have arrived. ``multipart/form-data`` is parsed in linear time, within limits."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from io import BytesIO
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

from ..log.own import logger

try:
    import python_multipart
    from python_multipart.exceptions import FormParserError
except ModuleNotFoundError:
    python_multipart = None  # type: ignore[assignment]

MAX_HEAD = 8192
"""Most bytes of the headers of one part."""

MAX_PARTS = 1000
"""Most parts of a form."""

MAX_PADDING = 1 << 16
"""Most bytes of a form outside its parts, which the parser reads byte by byte.

It is also the size of the pieces between which this is checked.
"""

FormFile = tuple[str, tuple["str | None", IO[bytes], "str | None"]]

Form = tuple[dict[str, Any], list[FormFile]]

# It takes linear time, because at most one opening quote has no closing one. python-multipart's own
# function ignores the file names of RFC 5987.
_PARAMETER = re.compile(
    r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("((?:[^"\\]|\\.)*)"|[^;\s]*)""", re.ASCII | re.DOTALL
)
# The two that RFC 5987 demands. Python's other codecs are not all safe for texts of strangers.
_CHARSETS = ("utf-8", "iso-8859-1")
# Charsets of forms that Python decodes in linear time. A stranger must not choose any other codec.
_FORM_CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "windows-1252", "gbk", "gb2312", "gb18030", "big5"}
    | {"shift_jis", "euc-jp", "euc-kr"}
)
_ESCAPED = re.compile(r'\\(["\\])')

# python-multipart's own limits (since 0.0.27) are lower than MAX_HEAD, which bounds the whole head.
_LIMITS: dict[str, Any] = {"max_header_count": MAX_HEAD, "max_header_size": MAX_HEAD}

# It has no parent, so its records reach no handler: the parser logs what strangers send.
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


class _Malformed(Exception):
    """A body is not a multipart form, or exceeds the limits."""


def parse_form(kind: str, body: bytes) -> Form:
    """Parse a body by its ``Content-Type``: the fields (the last one of each name) and the files.

    Both are empty if the type is not that of a form.
    """
    if kind.lower().startswith("application/x-www-form-urlencoded"):
        text = body.decode("utf-8", "replace")
        return dict(parse_qsl(text, keep_blank_values=True)), []
    if kind.lower().startswith("multipart/form-data"):
        return parse_multipart(kind, body)
    return {}, []


def parse_multipart(kind: str, body: bytes) -> Form:
    """Parse a ``multipart/form-data`` body (RFC 7578) by its ``Content-Type``.

    Both results are empty if the body is malformed or exceeds a limit, or if python-multipart is
    missing, which NoneBot's own servers need as well. Of a body that is cut off the complete parts
    are kept. Text is decoded in the type's charset or else in UTF-8, and where that fails in
    Latin-1, as NoneBot's own servers do.
    """
    if python_multipart is None:
        _tell_missing()
        return {}, []
    given = parameters(kind)
    reader = _FormReader(given.get("charset", "utf-8"))
    try:
        reader.read(given.get("boundary", ""), body)
    except (_Malformed, FormParserError):
        return {}, []
    return reader.fields, reader.files


@functools.cache
def _tell_missing() -> None:
    logger.warning(
        "A multipart form has arrived, and python-multipart is not installed: its fields and files"
        ' are ignored. Install the extra: pip install "nonebot-aiohttp[multipart]"'
    )


def _make_parser(boundary: bytes, callbacks: Any) -> python_multipart.MultipartParser:
    # Versions older than the extra asks for do not have all limits.
    known = inspect.signature(python_multipart.MultipartParser).parameters
    limits = {name: limit for name, limit in _LIMITS.items() if name in known}
    parser = python_multipart.MultipartParser(boundary, callbacks, **limits)
    parser.logger = _SILENT
    return parser


class _FormReader:
    """Collects the parts that python-multipart finds, within the limits of this module."""

    def __init__(self, charset: str) -> None:
        self._charset = charset.lower() if charset.lower() in _FORM_CHARSETS else "latin-1"
        self.fields: dict[str, Any] = {}
        self.files: list[FormFile] = []
        self._is_complete = False
        self._parts = 0
        self._framing = 0
        self._accounted = 0

    def read(self, boundary: str, body: bytes) -> None:
        """Parse a body.

        Raises:
            _Malformed: The body is not a form, or exceeds the limits.
            FormParserError: The body is not a form.
        """
        delimiter = b"\r\n--" + boundary.encode(errors="replace")
        # The parser goes byte by byte wherever a line begins like a boundary. A line of a part must
        # not do that (RFC 2046, section 5.1.1).
        if not boundary or body.count(delimiter) > MAX_PARTS + 1:
            raise _Malformed
        # Bytes around a part: its delimiter, the line break behind it, and the empty line.
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
        given = parameters(self._headers.get("content-disposition", ""))
        name, filename = _text(given, "name"), _text(given, "filename")
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
    """Return the parameters of a header such as ``form-data; name="f"``, by lowercase name."""
    return {
        name.lower(): value if quoted is None else _ESCAPED.sub(r"\1", quoted)
        for name, value, quoted in (match.groups() for match in _PARAMETER.finditer(header))
    }


def _text(parameters: dict[str, str], name: str) -> str | None:
    """Return a parameter, preferably in RFC 5987's form: ``filename*=utf-8''%E5%9B%BE.png``."""
    charset, _, rest = parameters.get(name + "*", "").partition("'")
    _, tick, encoded = rest.partition("'")
    if tick and charset.lower() in _CHARSETS:
        return unquote(encoded, charset, "replace")
    return parameters.get(name)
