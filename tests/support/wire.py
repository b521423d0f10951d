"""HTTP/1.1 messages as they are on the wire (RFC 9112), as far as the tests need them."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Header fields to send; pairs can repeat a name."""


@dataclass(frozen=True)
class Message:
    """A message that was read: its fields as they were sent, its body without chunked coding."""

    start_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return a field's value, or None; repeated ones are joined by a comma."""
        values = self.header_values(name)
        return ", ".join(values) if values else None

    def header_values(self, name: str) -> list[str]:
        """Return the value of each field of that name."""
        return [value for field, value in self.headers if field.lower() == name.lower()]


@dataclass(frozen=True)
class Request(Message):
    """A request that was read."""

    @property
    def method(self) -> str:
        """The method, such as `GET`."""
        return self.start_line.split(" ")[0]

    @property
    def target(self) -> str:
        """The path with the query, as sent."""
        return self.start_line.split(" ")[1]


@dataclass(frozen=True)
class Response(Message):
    """A response that was read."""

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.start_line.split(" ")[1])

    @property
    def reason(self) -> str:
        """The reason phrase."""
        return self.start_line.split(" ", 2)[2]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def encode_message(start_line: str, headers: Headers, body: bytes = b"") -> bytes:
    """Return a message's bytes, without adding fields such as a length."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [start_line, *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def status_line(code: int) -> str:
    """Return the status line of a code."""
    known = code in http.HTTPStatus._value2member_map_
    return f"HTTP/1.1 {code} {http.HTTPStatus(code).phrase if known else 'Unknown'}"


async def read_head(reader: asyncio.StreamReader) -> Message:
    """Read up to the empty line, without the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start_line, *lines = head.rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start_line, tuple((name, value.strip()) for name, _, value in pairs))


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read a request with its body."""
    head = await read_head(reader)
    body = await _read_sized_body(reader, head)
    return Request(head.start_line, head.headers, body or b"")


async def read_response(reader: asyncio.StreamReader, method: str = "GET") -> Response:
    """Read a response with its body, which an answer to `HEAD` does not have."""
    head = await read_head(reader)
    response = Response(head.start_line, head.headers)
    if method == "HEAD" or response.status < 200 or response.status in (204, 304):
        return response
    body = await _read_sized_body(reader, head)
    return Response(head.start_line, head.headers, await reader.read() if body is None else body)


async def _read_sized_body(reader: asyncio.StreamReader, head: Message) -> bytes | None:
    """Return the body if the head tells its size; otherwise None."""
    if (head.header("Transfer-Encoding") or "").lower() == "chunked":
        return await _read_chunks(reader)
    length = head.header("Content-Length")
    return None if length is None else await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body
