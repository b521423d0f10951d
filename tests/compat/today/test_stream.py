"""`stream_request`: exact chunks, of drivers and of sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from nonebot.drivers import Request

from tests.support.waiting import within

from ..support.recorder import Recorder

pytestmark = pytest.mark.needs_nonebot("2.4.3")

PIECES = [b"a", b"b" * 1500, b"c" * 3, b"d" * 2000, b"e" * 700]
BODY = b"".join(PIECES)


@pytest.fixture(params=["driver", "session"])
async def client(request: pytest.FixtureRequest, driver: Any) -> AsyncIterator[Any]:
    """The driver, or a session of it."""
    if request.param == "driver":
        yield driver
    else:
        async with driver.get_session() as session:
            yield session


@pytest.fixture
def pieces(recorder: Recorder) -> str:
    """The URL of an answer whose pieces have different sizes."""

    @recorder.answer("/pieces")
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=203, headers={"X-Kind": "stream"})
        await response.prepare(request)
        for piece in PIECES:
            await response.write(piece)
        return response

    return recorder.url("/pieces")


@pytest.mark.parametrize("size", [1, 7, 1024, 1400, len(BODY), 1 << 20])
async def test_chunks_are_exact(client: Any, pieces: str, size: int) -> None:
    stream = client.stream_request(Request("GET", pieces), chunk_size=size)
    chunks = [response.content async for response in stream]
    assert chunks == [BODY[start : start + size] for start in range(0, len(BODY), size)]


async def test_size_by_default(client: Any, pieces: str) -> None:
    sizes = [len(r.content) async for r in client.stream_request(Request("GET", pieces))]
    assert sizes == [1024] * 4 + [len(BODY) - 4096]


async def test_each_chunk_is_a_response(client: Any, pieces: str) -> None:
    request = Request("GET", pieces)
    async for response in client.stream_request(request):
        assert response.status_code == 203
        assert response.headers["x-kind"] == "stream"
        assert response.request is request


async def test_nothing_of_an_empty_body(client: Any, recorder: Recorder) -> None:
    recorder.respond("/empty", status=204)
    stream = client.stream_request(Request("GET", recorder.url("/empty")))
    assert [response async for response in stream] == []


async def test_body_of_the_request(client: Any, recorder: Recorder) -> None:
    request = Request("PUT", recorder.url("/up"), json={"a": 1}, cookies={"c": "1"})
    assert [r.content async for r in client.stream_request(request)] == [b"ok"]
    assert (recorder.last.method, recorder.last.cookies) == ("PUT", {"c": "1"})
    assert recorder.last.body.replace(b" ", b"") == b'{"a":1}'


async def test_leaving_early_drops_the_connection(client: Any, recorder: Recorder) -> None:
    dropped = asyncio.Event()

    @recorder.answer("/endless")
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(b"x" * 10)
            await recorder.release.wait()
        finally:
            dropped.set()
        return response

    request = Request("GET", recorder.url("/endless"))
    async with aclosing(client.stream_request(request, chunk_size=10)) as stream:
        async for response in stream:
            assert response.content == b"x" * 10
            break
    await within(dropped.wait())
