"""Tests of the kit's WebSockets, which bots open or the platform."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import Closed, Connection, NothingCame, Platform
from tests.support import frames
from tests.support.client import RawClient
from tests.support.frames import Opcode
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


@contextlib.asynccontextmanager
async def opened(
    platform: Platform, path: str = "/ws", **how: Any
) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, Connection]]:
    """Open the bot's WebSocket, and give both ends."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(platform.ws_url + path, **how) as ws,
    ):
        yield ws, await platform.connected()


@contextlib.asynccontextmanager
async def bot_serves(
    *, compress: bool = False, refuse: web.Response | None = None
) -> AsyncIterator[tuple[str, list[Any]]]:
    """Serve WebSockets that echo; give the URL, and what has come."""
    came: list[Any] = []

    async def accept(request: web.Request) -> web.StreamResponse:
        came.append(request.headers.get("Authorization"))
        if refuse is not None:
            return refuse
        ws = web.WebSocketResponse(compress=compress, protocols=("b",))
        await ws.prepare(request)
        async for message in ws:
            came.append(message.data)
            await ws.send_str(message.data)
        came.append(ws.close_code)
        return ws

    app = web.Application()
    app.router.add_get("/ws", accept)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/ws", came
    finally:
        await runner.cleanup()


async def test_messages_both_ways() -> None:
    async with (
        Platform() as platform,
        opened(platform, "/ws?a=1", headers={"X-B": "c"}) as (
            ws,
            connection,
        ),
    ):
        assert (connection.path, connection.query) == ("/ws", {"a": "1"})
        assert connection.headers["x-b"] == "c"
        await connection.send({"op": "é"})
        await connection.send("text")
        await connection.send(b"\x00")
        await connection.send({"op": 1}, binary=True)
        got = [await ws.receive() for _ in range(4)]
        assert [(each.type, each.data) for each in got] == [
            (WSMsgType.TEXT, '{"op": "é"}'),
            (WSMsgType.TEXT, "text"),
            (WSMsgType.BINARY, b"\x00"),
            (WSMsgType.BINARY, b'{"op": 1}'),
        ]
        await ws.send_bytes(b"\xff")
        await ws.send_json({"op": 2, "d": {"token": "t"}})
        await ws.send_str("last")
        received = await connection.expect({"op": 2})
        assert received.json["d"] == {"token": "t"}
        await received.reply({"op": 3})
        assert await ws.receive_json() == {"op": 3}
        assert (await connection.expect(b"\xff")).data == b"\xff"
        assert (await connection.expect(lambda message: message.text == "last")).text == "last"


@pytest.mark.parametrize("offered", [True, False])
async def test_compression_is_what_both_have_agreed_on(offered: bool) -> None:
    async with Platform() as platform:
        platform.websocket("/ws", compressed=True)
        async with opened(platform, compress=15 if offered else 0) as (ws, connection):
            await connection.send("a" * 1000)
            assert await ws.receive_str() == "a" * 1000
            if offered:
                await connection.send("b" * 1000, compressed=True, fragments=3)
                assert await ws.receive_str() == "b" * 1000
                await ws.send_str("c" * 1000)
                await connection.expect("c" * 1000)
            else:
                with pytest.raises(ValueError, match="the bot has to offer or accept it"):
                    await connection.send("b", compressed=True)


async def test_each_frame_is_as_it_was_asked_for() -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    async with Platform() as platform:
        platform.websocket("/ws", compressed=True)
        async with await RawClient.connect(platform.port) as client:
            assert (await client.upgrade("/ws", offer)).status == 101
            connection = await platform.connected()
            await connection.send("a" * 1000)
            await connection.send("plain", compressed=False)
            await connection.send("in three", compressed=False, fragments=3)
            got = [await client.read_frame() for _ in range(5)]
    assert got[0].rsv1
    assert len(got[0].payload) < 100
    assert (got[1].text, got[1].rsv1) == ("plain", False)
    assert [(each.opcode, each.text, each.fin) for each in got[2:]] == [
        (Opcode.TEXT, "in ", False),
        (Opcode.CONTINUATION, "thr", False),
        (Opcode.CONTINUATION, "ee", True),
    ]


async def test_replies_by_themselves() -> None:
    async def pong(message: testing.Received) -> dict[str, Any]:
        return {"op": 11, "d": message.json["d"]}

    async with Platform() as platform:
        platform.websocket("/ws").on({"op": 1}).reply({"first": True}).reply(pong)
        async with opened(platform) as (ws, connection):
            connection.on({"op": 9}).reply(None)
            connection.on("never")
            for number in range(3):
                await ws.send_json({"op": 1, "d": number})
            assert [await ws.receive_json() for _ in range(3)] == [
                {"first": True},
                {"op": 11, "d": 1},
                {"op": 11, "d": 2},
            ]


async def test_an_error_in_a_reply_fails_the_test_and_leaves_the_connection() -> None:
    async def test() -> None:
        async with Platform() as platform:
            platform.websocket("/ws").on({"op": 1}).reply(lambda message: message.json["no"])
            async with opened(platform) as (ws, connection):
                await ws.send_json({"op": 1})
                await ws.send_json({"op": 2})
                await connection.expect({"op": 2})

    with pytest.raises(testing.FunctionFailed, match="KeyError: 'no'"):
        await test()


async def test_a_greeting_comes_before_the_connection_is_given() -> None:
    async def greet(connection: Connection) -> None:
        await connection.send({"op": 10})
        await connection.expect({"op": 2})

    async with Platform() as platform:
        platform.websocket("/ws", greet)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(platform.ws_url + "/ws") as ws,
        ):
            assert await ws.receive_json() == {"op": 10}
            with pytest.raises(NothingCame):
                await platform.connected(deadline=0)
            await ws.send_json({"op": 2})
            assert (await platform.connected("/ws")).is_open


async def test_an_error_of_a_greeting_fails_the_test() -> None:
    async def greet(connection: Connection) -> None:
        raise ValueError("of the test")

    async def test() -> None:
        async with Platform() as platform:
            platform.websocket("/ws", greet)
            async with opened(platform):
                pass

    with pytest.raises(testing.FunctionFailed, match="the greeting of WebSocket 1 /ws") as raised:
        await test()
    assert isinstance(raised.value.__cause__, ValueError)


async def test_a_bot_that_leaves_during_the_greeting_is_no_error_of_the_test() -> None:
    async def greet(connection: Connection) -> None:
        await connection.expect("never")

    async with Platform() as platform:
        platform.websocket("/ws", greet)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(platform.ws_url + "/ws") as ws,
        ):
            await ws.close(code=4005)
        assert await (await platform.connected()).closed() == Closed(4005)


async def test_expect_fails_at_once_when_the_connection_has_ended() -> None:
    async with Platform() as platform, opened(platform) as (ws, connection):
        expecting = asyncio.create_task(connection.expect({"op": 2, "d": {"a": 1}}))
        await ws.send_json({"op": 2, "d": {"a": 2}})
        await ws.close(code=4001, message=b"bye")
        with pytest.raises(NothingCame) as raised:
            await expecting
        told = str(raised.value)
        assert "because it has ended: Closed(code=4001, reason='bye')" in told
        assert "it got {" in told
        assert "['d']['a'] is 2 instead of 1" in told
        with pytest.raises(ConnectionError, match="has ended"):
            await connection.send("late")
        with pytest.raises(ConnectionError, match="has ended"):
            await connection.fail(testing.Reset())
        await connection.close()


@pytest.mark.parametrize("code", [1000, 1001, 1012, 4000])
async def test_the_platform_closes(code: int) -> None:
    async with Platform() as platform, opened(platform) as (ws, connection):
        await connection.close(code, "why")
        message = await ws.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, "why")
        await connection.closed()


async def test_a_close_frame_without_a_code() -> None:
    async with Platform() as platform, await RawClient.connect(platform.port) as client:
        assert (await client.upgrade("/ws")).status == 101
        connection = await platform.connected()
        await client.send_frame(frames.close(None))
        assert (await client.read_close()).close_code == 1000
        assert (await connection.closed()).code in (0, 1005)


async def test_a_bot_that_closes_and_leaves_at_once_is_heard() -> None:
    async with Platform() as platform:
        for number in range(20):
            async with await RawClient.connect(platform.port) as client:
                assert (await client.upgrade("/ws")).status == 101
                connection = await platform.connected()
                await client.send_frame(frames.text(str(number)), frames.close(4002, "now"))
            assert await connection.closed() == Closed(4002, "now")
            await connection.expect(str(number))


async def test_pings_both_ways() -> None:
    async with Platform() as platform, await RawClient.connect(platform.port) as client:
        assert (await client.upgrade("/ws")).status == 101
        connection = await platform.connected()
        await client.send_frame(frames.ping(b"a"))
        assert await client.read_frame() == frames.Frame(Opcode.PONG, b"a", masked=False)
        await connection.ping(b"b")
        ping = await client.read_frame()
        assert (ping.opcode, ping.payload) == (Opcode.PING, b"b")
        await client.send_frame(frames.pong(b"b"))
        await eventually(lambda: connection.pongs)
        assert (connection.pings, connection.pongs) == (1, 1)


async def test_subprotocols() -> None:
    async with Platform() as platform:
        platform.websocket("/ws", protocols=("b", "a"))
        async with opened(platform, protocols=("a", "b")) as (ws, connection):
            assert ws.protocol == connection.protocol == "b"


async def test_handshakes_in_turn() -> None:
    async with Platform() as platform:
        route = platform.websocket("/ws")
        route.refuse(401, json={"error": 1}, headers={"X-A": "b"}).accept()
        route.fail(testing.Close(4000)).refuse(503, times=None)
        statuses = []
        for _ in range(5):
            async with await RawClient.connect(platform.port) as client:
                response = await client.upgrade("/ws")
                statuses.append(response.status)
                if response.status == 401:
                    assert (response.header("X-A"), response.body) == ("b", b'{"error": 1}')
        assert statuses == [401, 101, 101, 503, 503]


async def test_the_platform_opens_a_websocket() -> None:
    async with bot_serves() as (url, came), Platform() as platform:
        connection = await platform.connect(
            url, headers={"Authorization": "Bearer x"}, protocols=("a", "b")
        )
        assert connection.protocol == "b"
        await connection.send({"a": "é"}, fragments=2)
        assert (await connection.expect({"a": "é"})).json == {"a": "é"}
        await connection.close(4000, "bye")
        await connection.closed()
        await eventually(lambda: len(came) == 3)
        assert came == ["Bearer x", '{"a": "é"}', 4000]


async def test_compression_of_what_the_platform_opens() -> None:
    async with bot_serves(compress=True) as (url, _), Platform() as platform:
        connection = await platform.connect(url, compressed=True)
        await connection.send("a" * 1000, compressed=True)
        await connection.expect("a" * 1000)
        await connection.close()
        plain = await platform.connect(url)
        with pytest.raises(ValueError, match="has no compression"):
            await plain.send("a", compressed=True)


async def test_a_refusal_is_whole() -> None:
    refusal = web.Response(status=403, text="x" * 50_000, headers={"X-Why": "token"})
    async with bot_serves(refuse=refusal) as (url, _), Platform() as platform:
        with pytest.raises(testing.Refused, match=r"refused a WebSocket at .* with 403") as raised:
            await platform.connect(url)
        assert raised.value.status == 403
        assert raised.value.headers["x-why"] == "token"
        assert raised.value.body == b"x" * 50_000


async def test_a_header_that_is_none_is_an_error_of_the_test() -> None:
    wrong: Any = {"X-Number": 5}
    async with bot_serves() as (url, _), Platform() as platform:
        with pytest.raises(TypeError):
            await platform.connect(url, headers=wrong)


async def test_a_bot_that_is_not_there() -> None:
    async with Platform() as platform, Platform() as other:
        port = other.port
        await other.stop()
        with pytest.raises(testing.NoAnswer):
            await platform.connect(f"ws://127.0.0.1:{port}/ws")
        with pytest.raises(testing.NoAnswer):
            await platform.post(f"http://127.0.0.1:{port}/hook", json={})
