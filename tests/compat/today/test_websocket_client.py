"""`WebSocketClientMixin.websocket`: the handshake, messages, and every kind of ending."""

import asyncio
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType, web
from nonebot.drivers import Request
from nonebot.exception import WebSocketClosed

from tests.support.proxy import RecordingProxy
from tests.support.waiting import within

from ..support.network import timing_out
from ..support.recorder import Recorder, websocket


async def last_word(ws: web.WebSocketResponse) -> WSMessage:
    """Wait for the peer's closing frame."""
    message = await ws.receive()
    assert message.type is WSMsgType.CLOSE, message
    return message


async def test_handshake(driver: Any, recorder: Recorder, echoing: str) -> None:
    headers = {"Authorization": "Bearer 1", "X-Self-ID": "42"}
    request = Request("GET", f"{echoing}?a=1", headers=headers, params={"名": "值"})
    async with driver.websocket(request) as ws:
        assert not ws.closed
        assert ws.request is request
    assert recorder.last.header("authorization") == ["Bearer 1"]
    assert recorder.last.header("x-self-id") == ["42"]
    assert recorder.last.query == [("a", "1"), ("名", "值")]
    assert len(recorder.last.header("host")) == 1


@pytest.mark.stock_is_wrong("aiohttp", "it drops the cookies")
async def test_cookies(driver: Any, recorder: Recorder, echoing: str) -> None:
    async with driver.websocket(Request("GET", echoing, cookies={"a": "1", "b": "2"})):
        pass
    assert recorder.last.cookies == {"a": "1", "b": "2"}


@pytest.mark.stock_is_wrong("httpx", "websockets refuses an answer to what it has not offered")
async def test_a_subprotocol_of_the_headers_is_offered(driver: Any, recorder: Recorder) -> None:
    @recorder.answer("/chooses")
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=("12.onebot",))
        await ws.prepare(request)
        await ws.send_str(str(ws.ws_protocol))
        await ws.close()
        return ws

    url, headers = recorder.url("/chooses", scheme="ws"), {"Sec-WebSocket-Protocol": "12.onebot"}
    async with driver.websocket(Request("GET", url, headers=headers)) as ws:
        assert await within(ws.receive()) == "12.onebot"
    assert recorder.last.header("sec-websocket-protocol") == ["12.onebot"]


@pytest.mark.parametrize("headers", [{}, {"Sec-WebSocket-Protocol": "12.onebot"}])
async def test_no_subprotocol_need_be_chosen(
    driver: Any, recorder: Recorder, echoing: str, headers: dict[str, str]
) -> None:
    async with driver.websocket(Request("GET", echoing, headers=headers)) as ws:
        await ws.send("hello")
        assert await within(ws.receive()) == "hello"
    offered = recorder.last.header("sec-websocket-protocol")
    assert offered == list(headers.values())


async def test_refused_handshake(driver: Any, recorder: Recorder) -> None:
    recorder.respond("/no", status=403)
    with pytest.raises(Exception, match=r"403|[Ii]nvalid"):
        async with driver.websocket(Request("GET", recorder.url("/no", scheme="ws"))):
            raise AssertionError("unreachable")


@pytest.mark.stock_is_wrong("aiohttp", "it has no limit of the handshake")
async def test_hanging_handshake(driver: Any, recorder: Recorder) -> None:
    recorder.stall("/hang")
    url = recorder.url("/hang", scheme="ws")
    with timing_out():
        async with driver.websocket(Request("GET", url, timeout=0.3)):
            raise AssertionError("unreachable")


@pytest.mark.stock_is_wrong("httpx", "the websockets driver ignores the version")
async def test_http_2_is_a_clear_error(driver: Any, echoing: str) -> None:
    with pytest.raises(Exception, match="HTTP"):
        async with driver.websocket(Request("GET", echoing, version="2")):
            raise AssertionError("unreachable")


@pytest.mark.needs_nonebot("2.5")
async def test_proxy(driver: Any, recorder: Recorder, echoing: str, proxy: RecordingProxy) -> None:
    request = Request("GET", echoing, proxy=proxy.url)
    async with driver.websocket(request) as ws:
        await ws.send("through")
        assert await within(ws.receive()) == "through"
    (asked,) = proxy.start_lines
    assert f"127.0.0.1:{recorder.port}" in asked


@pytest.mark.parametrize("data", ["", "文字", "x" * 100_000, b"", b"\x00\xff"], ids=len)
async def test_messages(driver: Any, echoing: str, data: str | bytes) -> None:
    async with driver.websocket(Request("GET", echoing)) as ws:
        await ws.send(data)
        assert await within(ws.receive()) == data
        await (ws.send_text(data) if isinstance(data, str) else ws.send_bytes(data))
        receive = ws.receive_text if isinstance(data, str) else ws.receive_bytes
        assert await within(receive()) == data


async def test_wrong_kind_of_message(driver: Any, echoing: str) -> None:
    async with driver.websocket(Request("GET", echoing)) as ws:
        await ws.send(b"bytes")
        with pytest.raises(TypeError):
            await within(ws.receive_text())
        await ws.send("text")
        with pytest.raises(TypeError):
            await within(ws.receive_bytes())
        with pytest.raises(TypeError):
            await ws.send(1)
        await ws.send("still open")
        assert await within(ws.receive()) == "still open"


@pytest.mark.stock_is_wrong("aiohttp", "only the first receive() tells", before="2.5")
@pytest.mark.parametrize("method", ["receive", "receive_text", "receive_bytes"])
@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4321, "再见")])
async def test_closed_by_the_peer(
    driver: Any, recorder: Recorder, code: int, reason: str, method: str, client_driver: Any
) -> None:
    @recorder.answer("/bye")
    async def answer(request: web.Request) -> web.StreamResponse:
        async with websocket(request) as ws:
            await ws.close(code=code, message=reason.encode())
        return ws

    async with driver.websocket(Request("GET", recorder.url("/bye", scheme="ws"))) as ws:
        for _ in range(3):
            with pytest.raises(WebSocketClosed) as caught:
                await within(getattr(ws, method)())
            assert caught.value.code == code
            if client_driver.line != "~fastapi+~aiohttp":  # which loses the reason
                assert (caught.value.reason or "") == reason
        assert ws.closed


@pytest.mark.stock_is_wrong("aiohttp", "it raises TypeError", before="2.5")
async def test_lost_peer(driver: Any, recorder: Recorder) -> None:
    @recorder.answer("/lost")
    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return ws

    async with driver.websocket(Request("GET", recorder.url("/lost", scheme="ws"))) as ws:
        with pytest.raises(WebSocketClosed) as caught:
            await within(ws.receive())
        assert caught.value.code == 1006
        assert ws.closed


@pytest.mark.parametrize(("given", "sent"), [([4001, "够了"], (4001, "够了")), ([], (1000, ""))])
async def test_closing(
    driver: Any, recorder: Recorder, given: list[Any], sent: tuple[int, str]
) -> None:
    heard = asyncio.get_running_loop().create_future()

    @recorder.answer("/listen")
    async def answer(request: web.Request) -> web.StreamResponse:
        async with websocket(request) as ws:
            heard.set_result(await last_word(ws))
        return ws

    async with driver.websocket(Request("GET", recorder.url("/listen", scheme="ws"))) as ws:
        if given:  # Leaving the block closes, too.
            await ws.close(*given)
            assert ws.closed
    message = await within(heard)
    assert (message.data, message.extra or "") == sent


@pytest.mark.stock_is_wrong("aiohttp", "its library's error comes through")
@pytest.mark.stock_is_wrong("httpx", "its library's error comes through")
@pytest.mark.parametrize("data", ["text", b"bytes"], ids=["text", "bytes"])
async def test_sending_after_the_end(driver: Any, echoing: str, data: str | bytes) -> None:
    async with driver.websocket(Request("GET", echoing)) as ws:
        await ws.close()
        with pytest.raises(WebSocketClosed):
            await ws.send(data)


async def test_an_exception_inside_comes_out(driver: Any, echoing: str) -> None:
    with pytest.raises(KeyError):
        async with driver.websocket(Request("GET", echoing)):
            raise KeyError("mine")
