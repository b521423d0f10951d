"""Headers of requests that are no text: refused, or sent as text where NoneBot's drivers do."""

from typing import Any

import pytest
from aiohttp import web
from nonebot.drivers import Request

from ..support.recorder import Recorder, websocket

NUMBER: Any = {"X-Number": 1}
BYTES: Any = {"X-Bytes": b"bytes"}


@pytest.fixture
def socket_url(recorder: Recorder) -> str:
    @recorder.answer("/ws")
    async def answer(request: web.Request) -> web.StreamResponse:
        async with websocket(request) as ws:
            return ws

    return recorder.url("/ws", scheme="ws")


@pytest.mark.stock_is_wrong("httpx", "old versions of it raise AttributeError", before="2.5")
async def test_a_number_is_an_error(driver: Any, recorder: Recorder) -> None:
    with pytest.raises(TypeError):
        await driver.request(Request("GET", recorder.url(), headers=NUMBER))
    with pytest.raises(TypeError):
        async with driver.get_session(headers=NUMBER) as session:
            await session.request(Request("GET", recorder.url()))
    with pytest.raises(TypeError):
        async with driver.get_session() as session:
            await session.request(Request("GET", recorder.url(), headers=NUMBER))
    assert recorder.seen == []


@pytest.mark.stock_is_wrong("fastapi+~", "its libraries name the value alone")
async def test_the_error_names_the_header(driver: Any, recorder: Recorder) -> None:
    with pytest.raises(TypeError, match="X-Number must be text, not int"):
        await driver.request(Request("GET", recorder.url(), headers=NUMBER))


@pytest.mark.stock_is_wrong("~aiohttp", "it is an error")
async def test_a_number_in_a_handshake_is_sent_as_text(
    driver: Any, recorder: Recorder, socket_url: str
) -> None:
    async with driver.websocket(Request("GET", socket_url, headers=NUMBER)):
        assert recorder.last.header("x-number") == ["1"]


@pytest.mark.stock_is_wrong("~aiohttp", "they are an error")
async def test_bytes_are_sent_as_text(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url(), headers=BYTES))
    assert recorder.last.header("x-bytes") == ["bytes"]
    async with driver.get_session(headers=BYTES) as session:
        await session.request(Request("GET", recorder.url()))
    assert recorder.last.header("x-bytes") == ["bytes"]
