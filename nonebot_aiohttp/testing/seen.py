"""``Call``: a request that a platform has got from the bot, taken apart."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

_SHOWN = 200
"""Characters of a body that the timeline shows."""


@dataclass(frozen=True)
class Upload:
    """A file in a form.

    Attributes:
        filename: Its name, exactly as it was sent.
        content_type: Its type as it was sent; None if the bot has named no type.
        data: What is in it.
    """

    filename: str
    content_type: str | None
    data: bytes


@dataclass(frozen=True, eq=False)
class Call:
    """A request of the bot.

    Attributes:
        method: Such as ``POST``.
        host: What the header ``Host`` names, without the port.
        path: Decoded, without the query.
        query: Its parameters; of several with one name the last.
        headers: With lower-case names; several of one name are joined by a comma.
        body: The bytes.
        connection: The number of the connection that it came over.
        match: What stood in the placeholders of the route's path.
        at: When it has come, in seconds of a monotonic clock.
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

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters; empty if it has no type."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that are text; empty if the body is no form."""
        if self.content_type == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.text, keep_blank_values=True))
        return {
            name: value.decode("utf-8", "replace")
            for name, value in self._parts()
            if isinstance(value, bytes)
        }

    @property
    def files(self) -> dict[str, Upload]:
        """The files of a form by the names of their fields."""
        return {name: value for name, value in self._parts() if isinstance(value, Upload)}

    @property
    def parameters(self) -> dict[str, Any]:
        """What the call says, however it says it: the query, then a JSON object or a form."""
        said: dict[str, Any] = dict(self.query)
        if self.form or self.files:
            return {**said, **self.form, **self.files}
        try:
            body = self.json
        except ValueError:
            return said
        return {**said, **body} if isinstance(body, dict) else said

    def _parts(self) -> list[tuple[str, bytes | Upload]]:
        boundary = re.search(r'boundary="?([^";]+)"?', self.headers.get("content-type", ""))
        if self.content_type != "multipart/form-data" or boundary is None:
            return []
        delimiter = b"--" + boundary.group(1).encode()
        return [_part(chunk) for chunk in (b"\r\n" + self.body).split(b"\r\n" + delimiter)[1:-1]]

    def __str__(self) -> str:
        said = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}..."
        return f"{self.method} {self.path} {said}".rstrip()


def _part(chunk: bytes) -> tuple[str, bytes | Upload]:
    head, _, data = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    text = head.decode("utf-8", "replace")
    name = re.search(r'(?i)[; ]name="?([^";\r\n]*)"?', text)
    filename = re.search(r'(?i)filename="([^"]*)"', text)
    kind = re.search(r"(?im)^content-type: *(.+?)\r?$", text)
    key = name.group(1) if name else ""
    if filename is None:
        return key, data
    return key, Upload(filename.group(1), kind.group(1) if kind else None, data)


async def read(request: web.Request, connection: int) -> Call:
    """Read a request to its end."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    return Call(
        request.method,
        headers.get("host", "").rpartition(":")[0] or headers.get("host", ""),
        request.path,
        dict(request.query),
        headers,
        await request.read(),
        connection,
    )
