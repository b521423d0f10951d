"""Headers of requests that are not text: refused, or sent as text where NoneBot's drivers do."""

from typing import Any

import pytest
from nonebot.drivers import Request

from ..support.recorder import Recorder

NUMBER: Any = {"X-Number": 1}
BYTES: Any = {"X-Bytes": b"bytes"}


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
    driver: Any, recorder: Recorder, echoing: str
) -> None:
    async with driver.websocket(Request("GET", echoing, headers=NUMBER)):
        assert recorder.last.header("x-number") == ["1"]


@pytest.mark.stock_is_wrong("~aiohttp", "they are an error")
async def test_bytes_are_sent_as_text(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url(), headers=BYTES))
    assert recorder.last.header("x-bytes") == ["bytes"]
    async with driver.get_session(headers=BYTES) as session:
        await session.request(Request("GET", recorder.url()))
    assert recorder.last.header("x-bytes") == ["bytes"]


@pytest.mark.stock_is_wrong("~aiohttp", "it is an error")
@pytest.mark.parametrize("of_session", [False, True])
async def test_the_login_of_a_url_goes_before_a_header(
    driver: Any, recorder: Recorder, of_session: bool
) -> None:
    headers = {"Authorization": "Bearer own"}
    own, shared = (None, headers) if of_session else (headers, None)
    url = recorder.url(host="us:p%40w@127.0.0.1")
    async with driver.get_session(headers=shared) as session:
        await session.request(Request("GET", url, headers=own))
    assert recorder.last.header("authorization") == ["Basic dXM6cEB3"]
    assert recorder.last.header("host") == [f"127.0.0.1:{recorder.port}"]


@pytest.mark.stock_is_wrong("~aiohttp", "it cannot encode it")
async def test_the_login_of_a_url_is_utf_8(driver: Any, recorder: Recorder) -> None:
    await driver.request(Request("GET", recorder.url(host="us:你@127.0.0.1")))
    assert recorder.last.header("authorization") == ["Basic dXM65L2g"]


@pytest.mark.stock_is_wrong("~aiohttp", "it is an error")
@pytest.mark.stock_is_wrong("websockets", "it sends both")
async def test_the_login_of_a_url_goes_before_a_header_in_a_handshake(
    driver: Any, recorder: Recorder, echoing: str
) -> None:
    url = echoing.replace("//", "//us:p%40w@")
    request = Request("GET", url, headers={"Authorization": "Bearer own"})
    async with driver.websocket(request):
        assert recorder.last.header("authorization") == ["Basic dXM6cEB3"]


async def test_the_login_of_a_url_stays_with_its_host(driver: Any, recorder: Recorder) -> None:
    for host, expected in (("127.0.0.1", ["Basic dXM6cHc="]), ("localhost", [])):
        recorder.respond("/from", ("Location", recorder.url("/to", host=host)), status=302)
        url = recorder.url("/from", host="us:pw@127.0.0.1")
        await driver.request(Request("GET", url))
        assert recorder.last.header("authorization") == expected
