"""``Call``: a request that a platform has got from the bot, taken apart."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from ..common.timeline import shown
from .bodies import Body

if TYPE_CHECKING:
    from .routes import Route


@dataclass(frozen=True)
class Upload:
    """A file in a form.

    Attributes:
        field: The name of its field.
        filename: Its name as it was sent, without the quotes around it; a client may have encoded
            it in its own way, such as aiohttp by percent signs.
        content_type: Its type as it was sent; None if the bot has named no type.
        data: What is in it.
    """

    field: str
    filename: str
    content_type: str | None
    data: bytes


@dataclass(frozen=True, eq=False)
class Call(Body):
    """A request of the bot.

    Attributes:
        method: Such as ``POST``.
        host: What the header ``Host`` names, without the port.
        path: Decoded, without the query.
        query: Its parameters; of several with one name the last.
        headers: With lower-case names; several of one name are joined by a comma.
        body: The bytes.
        match: What stood in the placeholders of the route's path.
        connection: The number of the connection that it came over.
        at: When it has come, in seconds of a monotonic clock.
        route: The route that has answered it; None if it was unexpected or opened a WebSocket.
    """

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int
    match: dict[str, str] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)
    route: Route | None = field(default=None, repr=False)

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters; empty if it has no type."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that are text, of several with one name the last; else empty."""
        if self.content_type == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.text, keep_blank_values=True))
        return {part.name: part.text for part in self._parts() if part.filename is None}

    @property
    def files(self) -> list[Upload]:
        """The files of a form in the order of the body; several may have one field."""
        return [
            Upload(part.name, part.filename, part.content_type, part.data)
            for part in self._parts()
            if part.filename is not None
        ]

    def file(self, field: str) -> Upload:
        """Return the only file of a field.

        Raises:
            LookupError: The field has no file, or more than one.
        """
        found = [upload for upload in self.files if upload.field == field]
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{each.field!r} ({each.filename})" for each in self.files) or "no file"
        where = f"{self.method} {self.path}"
        raise LookupError(f"{where} has {len(found)} files {field!r}; it has {names}")

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters in the query, then those in a JSON object or a form."""
        said: dict[str, Any] = {**self.query, **self.form}
        for upload in self.files:
            said[upload.field] = upload
        try:
            body = self.json
        except ValueError:
            return said
        return {**said, **body} if isinstance(body, dict) else said

    def _parts(self) -> list[_Part]:
        found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', self.headers.get("content-type", ""))
        if self.content_type != "multipart/form-data" or found is None:
            return []
        boundary = re.escape((found.group(1) or found.group(2)).encode())
        # A line of its own (RFC 2046, section 5.1.1): a part may have something that begins so.
        delimiter = re.compile(rb"\r\n--" + boundary + rb"(--)?[ \t]*(?=\r\n|\Z)")
        return list(_split(b"\r\n" + self.body, delimiter))

    def __str__(self) -> str:
        return f"{self.method} {self.path} {shown(self.text)}".rstrip()


@dataclass(frozen=True)
class _Part:
    """A part of a form; without a file name it is a field."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


def _split(body: bytes, delimiter: re.Pattern[bytes]) -> Iterator[_Part]:
    begin = delimiter.search(body)
    while begin is not None and not begin.group(1):
        end_of_head = body.find(b"\r\n\r\n", begin.end())
        if end_of_head < 0:
            return
        start = end_of_head + 4
        end = delimiter.search(body, start)
        if end is None:
            return
        yield _part(body[begin.end() : end_of_head], body[start : end.start()])
        begin = end


def _part(head: bytes, data: bytes) -> _Part:
    fields: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    said = fields.get("content-disposition", "")
    return _Part(
        _parameter(said, "name") or "",
        _parameter(said, "filename"),
        fields.get("content-type"),
        data,
    )


def _parameter(header: str, name: str) -> str | None:
    """Return a parameter of ``Content-Disposition`` (RFC 6266, section 4.1)."""
    if quoted := re.search(rf'(?i);\s*{name}="((?:[^"\\]|\\.)*)"', header):
        return re.sub(r"\\(.)", r"\1", quoted.group(1))
    if extended := re.search(rf"(?i);\s*{name}\*=utf-8''([^;\s]+)", header):
        return unquote(extended.group(1))
    plain = re.search(rf"(?i);\s*{name}=([^;\s]*)", header)
    return plain.group(1) if plain else None


async def read(request: web.Request, connection: int) -> Call:
    """Read a request to its end."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    return Call(
        request.method,
        _without_port(headers.get("host", "")),
        request.path,
        # Not dict() of it, which takes the first value of a name.
        dict(request.query.items()),
        headers,
        await request.read(),
        connection,
    )


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdigit() else host.lower()
