"""An ASGI application behind the bot's own paths: WebSockets, from the handshake to the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from tests.support.client import RawClient
from tests.support.frames import Frame, Opcode
from tests.support.guest_page import HANDSHAKE, OURS, Page, echo, serving
from tests.support.hosts import HOSTS
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops


@pytest.mark.parametrize("name", HOSTS)
async def test_messages_of_both_kinds_go_both_ways(name: str) -> None:
    async with serving(Page(echo).app, name) as (_, _, client, url), client.ws_connect(url) as ws:
        for text in ("你好", "", "x" * 100_000):
            await ws.send_str(text)
            assert await within(ws.receive_str()) == text
        for data in (b"\x00\xff", b"", b"x" * 100_000):
            await ws.send_bytes(data)
            assert await within(ws.receive_bytes()) == data


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade"])
async def test_the_scope_of_a_browsers_handshake(name: str, connection: str) -> None:
    async def show(ws: WebSocket) -> None:
        await ws.accept()
        names = ("type", "scheme", "path", "root_path", "subprotocols", "http_version")
        await ws.send_text(json.dumps({name: ws.scope[name] for name in names}))
        await ws.close()

    async with serving(Page(show).app, name) as (host, _, _, _), await host.client() as client:
        headers = {
            **HANDSHAKE,
            "Connection": connection,
            "Sec-WebSocket-Protocol": "chat, superchat",
        }
        response = await client.request("GET", f"{host.prefix}/page/ws", headers)
        assert response.status == 101
        shown = json.loads((await client.read_message()).payload)
    assert shown == {
        "type": "websocket",
        "scheme": "ws",
        "path": f"{host.prefix}/page/ws",
        "root_path": host.prefix,
        "subprotocols": ["chat", "superchat"],
        "http_version": "1.1",
    }


@pytest.mark.parametrize("name", HOSTS)
async def test_the_guest_closes_with_a_code_of_its_own(name: str) -> None:
    async def refuse(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4001, "wrong token")

    async with serving(Page(refuse).app, name) as (host, _, _, _), await host.client() as client:
        assert (await client.upgrade(f"{host.prefix}/page/ws")).status == 101
        frame = await client.read_close()
        assert frame.payload == b"\x0f\xa1wrong token"


@pytest.mark.parametrize("name", HOSTS)
async def test_the_client_closes_with_a_code_of_its_own(name: str) -> None:
    page = Page(echo)
    async with serving(page.app, name) as (_, _, client, url):
        async with client.ws_connect(url) as ws:
            await ws.close(code=4001, message=b"had enough")
        await eventually(lambda: page.ends, what="the end")
    assert page.ends == [(4001, "had enough")]


@pytest.mark.parametrize("name", OURS)
async def test_a_client_that_is_gone_is_1006(name: str) -> None:
    page = Page(echo)
    async with serving(page.app, name) as (host, _, _, _):
        async with await host.client() as client:
            assert (await client.upgrade(f"{host.prefix}/page/ws")).status == 101
            client.reset()
        await eventually(lambda: page.ends, what="the end")
    assert page.ends[0][0] == 1006


@pytest.mark.parametrize("name", HOSTS)
async def test_a_subprotocol_and_headers_of_the_answer(name: str) -> None:
    async def accept(ws: WebSocket) -> None:
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await ws.accept(subprotocol="superchat", headers=headers)
        await echo_rest(ws)

    async with serving(Page(accept).app, name) as (_, _, client, url):
        async with client.ws_connect(url, protocols=("chat", "superchat")) as ws:
            assert ws.protocol == "superchat"
        async with client.get(url, headers=HANDSHAKE) as response:
            assert response.status == 101
            assert response.headers.getall("set-cookie") == ["a=1", "b=2"]


async def echo_rest(ws: WebSocket) -> None:
    """Send back all messages of what is accepted."""
    async for text in ws.iter_text():
        await ws.send_text(text)


@pytest.mark.parametrize("name", HOSTS)
async def test_a_refusal_may_have_an_answer_of_its_own(name: str) -> None:
    async def refuse(ws: WebSocket) -> None:
        response = PlainTextResponse("log in first", 401, headers={"x-realm": "bot"})
        await ws.send_denial_response(response)

    async with (
        serving(Page(refuse).app, name) as (_, _, client, url),
        client.get(url, headers=HANDSHAKE) as response,
    ):
        assert (response.status, await response.text()) == (401, "log in first")
        assert response.headers["x-realm"] == "bot"


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"type": "websocket.push"}],
        [{"type": "websocket.send", "text": "too early"}],
        [{"type": "websocket.close"}, {"type": "websocket.accept"}],
        [{"type": "websocket.http.response.start", "status": 400, "headers": []}],
    ],
    ids=["nothing", "unknown", "early", "refused", "half"],
)
async def test_a_guest_that_errs_opens_nothing(events: list[dict[str, Any]], logs: Logs) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in events if scope["type"] == "websocket" else ():
            await send(event)

    async with serving(app) as (host, _, _, _), await host.client() as client:
        await client.send_request("GET", "/page/ws", HANDSHAKE)
        status = {"websocket.close": b" 403 ", "websocket.http.response.start": b" 400 "}
        kind = events[0]["type"] if events else ""
        head = await within(client.reader.readuntil(b"\r\n"))
        assert status.get(kind, b" 500 ") in head


async def test_an_answer_after_the_accept_is_an_error(logs: Logs) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.http.response.start", "status": 400, "headers": []})

    async with serving(app) as (_, _, client, url), client.ws_connect(url) as ws:
        assert (await within(ws.receive())).data == 1011
    assert logs.matching("A WebSocket of the guest failed", "ERROR")


@pytest.mark.parametrize("name", ["own_process", "attached"])
async def test_a_malformed_handshake_is_refused(name: str) -> None:
    async with serving(Page(echo).app, name) as (host, _, _, _):
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert (await host.request("GET", "/page/ws", headers)).status == 400


@pytest.mark.parametrize("name", OURS)
async def test_a_guest_that_only_sends_learns_of_the_end(name: str) -> None:
    async def show_a_log(ws: WebSocket) -> None:
        await ws.accept()
        while True:
            await ws.send_text("a line")
            await asyncio.sleep(0)

    page = Page(show_a_log)
    async with serving(page.app, name) as (_, _, client, url):
        async with client.ws_connect(url) as ws:
            assert await within(ws.receive_str()) == "a line"
        await eventually(lambda: page.ends, what="the end")
    assert page.ends == [(1006, "")]


async def test_pongs_are_seen_while_a_guest_does_not_receive() -> None:
    async def wait(ws: WebSocket) -> None:
        await ws.accept()
        await asyncio.Event().wait()

    async with (
        serving(Page(wait).app, heartbeat=0.1) as (_, driver, client, url),
        client.ws_connect(url) as ws,
    ):
        receiving = asyncio.ensure_future(ws.receive())
        await asyncio.wait({receiving}, timeout=0.8)
        assert not receiving.done()
        await driver.lifespan.stop()
        assert (await within(receiving)).data == 1001


async def test_a_peer_that_sends_more_than_is_taken_has_to_wait() -> None:
    go_on, received = asyncio.Event(), 0

    async def count(ws: WebSocket) -> None:
        nonlocal received
        await ws.accept()
        await go_on.wait()
        async for _ in ws.iter_bytes():
            received += 1

    async with serving(Page(count).app) as (host, _, _, _), await host.client() as client:
        assert (await client.upgrade("/page/ws")).status == 101
        sending = asyncio.ensure_future(send_messages(client, 64))
        await asyncio.wait({sending}, timeout=0.5)
        assert not sending.done()
        go_on.set()
        await within(sending)
        await eventually(lambda: received == 64, what="all messages")


async def send_messages(client: RawClient, times: int) -> None:
    """Send messages of 1 MiB."""
    for _ in range(times):
        await client.send_frame(Frame(Opcode.BINARY, bytes(1024 * 1024)))


async def test_what_came_before_the_end_is_received_before_it() -> None:
    go_on, received = asyncio.Event(), list[str]()

    async def late(ws: WebSocket) -> None:
        await ws.accept()
        await go_on.wait()
        while True:
            received.append(await ws.receive_text())

    page = Page(late)
    async with serving(page.app) as (host, _, _, _), await host.client() as client:
        assert (await client.upgrade("/page/ws")).status == 101
        for number in range(5):
            await client.send_frame(Frame(Opcode.TEXT, str(number).encode()))
        await client.send_frame(Frame(Opcode.CLOSE, b"\x0f\xa1"))
        await settle()
        go_on.set()
        await eventually(lambda: page.ends, what="the end")
    assert received == ["0", "1", "2", "3", "4"]
    assert page.ends == [(4001, "")]


async def test_a_receive_that_is_given_up_loses_nothing() -> None:
    async def impatient(ws: WebSocket) -> None:
        await ws.accept()
        for _ in range(20):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ws.receive_text(), 0.001)
        await ws.send_text("now")
        await echo_rest(ws)

    async with (
        serving(Page(impatient).app) as (_, _, client, url),
        client.ws_connect(url) as ws,
    ):
        assert await within(ws.receive_str()) == "now"
        await ws.send_str("heard")
        assert await within(ws.receive_str()) == "heard"


async def test_a_large_message_and_bad_text_are_refused_as_for_bots() -> None:
    page = Page(echo)
    async with serving(page.app, max_message_size=1000) as (host, _, _, _):
        for frame, code in (
            (Frame(Opcode.TEXT, b"x" * 2000), 1009),
            (Frame(Opcode.TEXT, b"\xff"), 1007),
        ):
            async with await host.client() as client:
                assert (await client.upgrade("/page/ws")).status == 101
                await client.send_frame(frame)
                payload = (await client.read_close()).payload
                assert int.from_bytes(payload[:2], "big") == code
        await eventually(lambda: len(page.ends) == 2, what="the ends")
