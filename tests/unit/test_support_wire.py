"""Tests of reading and writing HTTP messages."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import wire


def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_a_request_is_read_as_it_was_written() -> None:
    headers = [("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("Content-Length", "4")]
    sent = wire.encode_message("POST /p?q=%20 HTTP/1.1", headers, b"body")
    request = await wire.read_request(reader_of(sent))
    assert (request.method, request.target, request.body) == ("POST", "/p?q=%20", b"body")
    assert request.headers == tuple(headers)
    assert request.header("X-a") == "1, 2"
    assert request.header_values("X-A") == ["1", "2"]
    assert request.header("x-b") is None


async def test_a_request_without_a_length_has_no_body() -> None:
    request = await wire.read_request(reader_of(b"GET / HTTP/1.1\r\n\r\nnext"))
    assert request.body == b""


async def test_a_chunked_body_is_joined() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    response = await wire.read_response(reader_of(head + chunks))
    assert (response.status, response.reason, response.text) == (200, "OK", "abc0123456789")


async def test_a_response_without_a_length_lasts_until_the_end() -> None:
    response = await wire.read_response(reader_of(b"HTTP/1.1 404 Not Found\r\n\r\nall of it"))
    assert (response.status, response.reason, response.body) == (404, "Not Found", b"all of it")


@pytest.mark.parametrize("line", ["101 Switching Protocols", "204 No Content", "304 Not Modified"])
async def test_these_have_no_body(line: str) -> None:
    response = await wire.read_response(reader_of(f"HTTP/1.1 {line}\r\n\r\nrest".encode()))
    assert response.body == b""


async def test_the_answer_to_head_has_no_body() -> None:
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    assert (await wire.read_response(reader_of(sent), "HEAD")).body == b""


async def test_a_body_that_stops_half_way_is_an_error() -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await wire.read_response(reader_of(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))


@pytest.mark.parametrize(
    ("code", "line"),
    [(429, "HTTP/1.1 429 Too Many Requests"), (599, "HTTP/1.1 599 Unknown")],
)
def test_status_lines(code: int, line: str) -> None:
    assert wire.status_line(code) == line
