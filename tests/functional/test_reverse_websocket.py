"""Reverse WebSockets, under every host alike: who gets in, what arrives, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import (
    HTTPConnection,
    HTTPResponse,
    ReceiveConflict,
    WebSocket,
    WebSocketClosed,
)
from tests.support import frames
from tests.support.bots import Decision, RecordingBot, make_driver
from tests.support.client import RawClient
from tests.support.frames import Opcode
from tests.support.hosts import Serving, attached, own_process
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle

pytestmark = pytest.mark.both_loops

BOT = {"X-Self-ID": "1"}


class Deciding(RecordingBot):
    """Lets nobody decide before the test does."""

    asked: asyncio.Event
    decided: asyncio.Event

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.asked, cls.decided = asyncio.Event(), asyncio.Event()

    @classmethod
    async def decide(cls, request: HTTPConnection) -> Decision:
        cls.asked.set()
        await cls.decided.wait()
        return "1", None


@pytest.mark.parametrize("path", ["/recorder/ws", "/recorder/ws/"])
async def test_both_paths_of_an_adapter_take_websockets(
    serving: Serving, adapter: type[RecordingBot], path: str
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, await host.client() as client:
        assert (await host.upgrade(client, target=path)).status == 101
        await eventually(lambda: driver.bots)
        assert driver.bots["1"].self_id == "1"


async def test_the_adapter_sees_the_handshake_before_the_upgrade(serving: Serving) -> None:
    seen: list[Any] = []

    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, WebSocket)
            seen.append((request.type, request.scheme, request.http_version, request.closed))
            seen.append((request.path, request.query_string, request.headers["x-self-id"]))
            return "1", None

    driver = make_driver(Recorder)
    async with serving(driver) as host, await host.client() as client:
        assert (await host.upgrade(client, target="/recorder/ws?t=%2F")).status == 101
        await eventually(lambda: driver.bots)
        assert driver.bots["1"].request is Recorder.requests[0]
        path = f"{host.prefix}/recorder/ws"
    assert seen == [("websocket", "ws", "1.1", False), (path, b"t=%2F", "1")]


async def test_text_and_binary_reach_handle_message_as_bytes(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    async with serving(make_driver(adapter)) as host, host.connected() as client:
        await client.send_frame(frames.text("ascii"), frames.text("你好"), frames.text(""))
        await client.send_frame(frames.binary(b"\x00\xff"), frames.binary(b""))
        await eventually(lambda: len(adapter.messages) == 5)
    assert adapter.messages == [b"ascii", "你好".encode(), b"", b"\x00\xff", b""]
    assert all(type(message) is bytes for message in adapter.messages)


async def test_a_fragmented_message_arrives_whole(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    data = "你好".encode()
    async with serving(make_driver(adapter)) as host, host.connected() as client:
        await client.send_frame(frames.Frame(Opcode.TEXT, data[:1], fin=False))
        await client.send_frame(frames.Frame(Opcode.CONTINUATION, data[1:4], fin=False))
        await client.send_frame(frames.Frame(Opcode.CONTINUATION, data[4:]))
        await eventually(lambda: adapter.messages)
    assert adapter.messages == [data]


async def test_the_bot_answers_over_its_socket(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.connected() as client:
        await eventually(lambda: driver.bots)
        await driver.bots["1"].send(None, "héllo")
        assert await client.read_frame() == frames.Frame(
            Opcode.TEXT, "héllo".encode(), masked=False
        )
        await adapter_socket(adapter).send_bytes(b"\x00")
        assert (await client.read_frame()).payload == b"\x00"


async def test_pings_are_answered(serving: Serving, adapter: type[RecordingBot]) -> None:
    """Trap: with `autoping` off whoever turned it off answers them."""
    async with serving(make_driver(adapter)) as host, host.connected() as client:
        await client.send_frame(frames.pong(b"unasked"), frames.ping(b"are you there?"))
        pong = await client.read_frame()
        assert (pong.opcode, pong.payload) == (Opcode.PONG, b"are you there?")


async def test_a_bot_is_there_from_accept_to_close(
    serving: Serving, adapter: type[RecordingBot], logs: Logs
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.connected() as client:
        await eventually(lambda: driver.bots)
        await client.send_frame(frames.close(4000, "bye"))
        await client.read_close()
        await eventually(lambda: not driver.bots)
        socket = adapter_socket(adapter)
        assert socket.closed
        with pytest.raises(WebSocketClosed) as closed:
            await socket.send("late")
        assert (closed.value.code, closed.value.reason) == (4000, "bye")
    assert logs.matching("Bot 1 of recorder connected", "INFO")
    assert logs.matching("Bot 1 of recorder disconnected: WebSocket closed with 4000: bye", "INFO")


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_a_peer_that_vanishes_is_gone(
    serving: Serving, adapter: type[RecordingBot], how: str
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.connected() as client:
        await eventually(lambda: driver.bots)
        client.reset() if how == "reset" else client.abort()
        await eventually(lambda: not driver.bots)
        with pytest.raises(WebSocketClosed) as closed:
            await adapter_socket(adapter).send("late")
        assert closed.value.code in ((1006,) if host.face == "aiohttp" else (1005, 1006))


async def test_a_bot_closes_its_own_socket(serving: Serving, adapter: type[RecordingBot]) -> None:
    """Trap: the seed's Quart driver's `close()` did nothing, its `closed` was always False."""
    driver = make_driver(adapter)
    async with serving(driver) as host, host.connected() as client:
        await eventually(lambda: driver.bots)
        socket = adapter_socket(adapter)
        closing = asyncio.create_task(asyncio.wait_for(socket.close(4001), 5))
        assert (await client.read_close()).close_code == 4001
        await closing
        assert socket.closed
        await eventually(lambda: not driver.bots)


@pytest.mark.parametrize("status", [200, 403, 404])
async def test_a_refusal_is_a_response_with_the_adapters_status(
    serving: Serving, status: int
) -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            return None, HTTPResponse(status, b"no", {"x-why": "because"})

    driver = make_driver(Recorder)
    async with serving(driver) as host, await host.client() as client:
        response = await host.upgrade(client)
        assert (response.status, response.body) == (status, b"no")
        assert response.header("X-Why") == "because"
        assert driver.bots == {}


async def test_refused_without_a_response_is_401(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        assert (await host.upgrade(client, {"X-Other": "1"})).status == 401


async def test_an_adapter_that_raises_gets_500(serving: Serving, logs: Logs) -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            raise ValueError("oops")

    async with serving(make_driver(Recorder)) as host, await host.client() as client:
        assert (await host.upgrade(client)).status == 500
    assert logs.matching("The adapter recorder failed", "ERROR")


async def test_an_unknown_adapter_gets_404(serving: Serving, adapter: type[RecordingBot]) -> None:
    async with serving(make_driver(adapter)) as host:
        for path in ("/stranger/ws", "/recorder/wss"):
            async with await host.client() as client:
                assert (await host.upgrade(client, target=path)).status == 404


async def test_an_upgrade_on_a_webhooks_path_is_refused(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    async with serving(make_driver(adapter)) as host, await host.client() as client:
        response = await host.upgrade(client, target="/recorder/")
        assert response.status in (404, 405)


async def test_a_plain_get_is_told_to_upgrade(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    async with serving(make_driver(adapter)) as host:
        response = await host.request("GET", "/recorder/ws", BOT)
    assert (response.status, response.header("Upgrade")) == (426, "websocket")
    assert adapter.requests == []


@pytest.mark.parametrize(
    ("name", "value"), [("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Key", "short")]
)
async def test_a_malformed_handshake_gets_400(
    serving: Serving, adapter: type[RecordingBot], name: str, value: str
) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **BOT,
        name: value,
    }
    driver = make_driver(adapter)
    async with serving(driver) as host:
        response = await host.request("GET", "/recorder/ws", headers)
        assert response.status in (400, 426)
    assert adapter.requests == []


async def test_a_handler_may_wait_for_an_answer_on_the_same_socket(serving: Serving) -> None:
    """Trap: the reader only reads; an await of a handler in it would wait for itself."""
    answers: list[bytes] = []

    class Recorder(RecordingBot):
        waiting: asyncio.Future[bytes] | None = None

        async def react(self, message: bytes) -> None:
            if message == b"event":
                type(self).waiting = asyncio.get_running_loop().create_future()
                await self.socket.send("call")
                assert self.waiting is not None
                answers.append(await self.waiting)
            elif self.waiting is not None:
                self.waiting.set_result(message)

    async with serving(make_driver(Recorder)) as host, host.connected() as client:
        await client.send_frame(frames.text("event"))
        assert (await client.read_frame()).text == "call"
        await client.send_frame(frames.text("answer"))
        await eventually(lambda: answers == [b"answer"])


async def test_a_handler_that_raises_or_never_ends_stops_nobody(
    serving: Serving, logs: Logs
) -> None:
    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            if message == b"raise":
                raise ValueError("oops")
            if message == b"hang":
                await asyncio.get_running_loop().create_future()

    driver = make_driver(Recorder, aiohttp_drain_timeout=0.01)
    async with serving(driver) as host, host.connected() as client:
        for word in ("raise", "hang", "next"):
            await client.send_frame(frames.text(word))
        await eventually(lambda: Recorder.messages == [b"raise", b"hang", b"next"])
    assert len(logs.matching("A handler of recorder failed", "ERROR")) == 1
    assert logs.matching("Cut off 1 handler(s) of recorder", "ERROR")


async def test_a_handler_that_is_no_coroutine_stops_nobody(serving: Serving, logs: Logs) -> None:
    class Recorder(RecordingBot):
        def handle_message(self, message: bytes) -> Any:
            type(self).messages.append(message)

    async with serving(make_driver(Recorder)) as host, host.connected() as client:
        await client.send_frame(frames.text("1"), frames.text("2"))
        await eventually(lambda: Recorder.messages == [b"1", b"2"])
    assert logs.matching("A handler of recorder could not start", "ERROR")


async def test_while_the_reader_runs_receiving_is_a_named_error(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    driver = make_driver(adapter)
    async with serving(driver) as host, host.connected() as client:
        await eventually(lambda: driver.bots)
        for receive in (adapter_socket(adapter).receive, adapter_socket(adapter).receive_bytes):
            with pytest.raises(ReceiveConflict, match="the driver's reader receives"):
                await receive()
        await client.send_frame(frames.text("still read"))
        await eventually(lambda: adapter.messages)


async def test_an_adapter_may_talk_before_the_reader_takes_over(serving: Serving) -> None:
    """As adapters do whose platform says who it is in the first message."""

    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, WebSocket)
            await request.accept()
            await request.send("who are you?")
            return await request.receive(), None

    driver = make_driver(Recorder)
    async with serving(driver) as host, host.connected() as client:
        assert (await client.read_frame()).text == "who are you?"
        await client.send_frame(frames.text("42"), frames.text("event"))
        await eventually(lambda: Recorder.messages == [b"event"])
        assert list(driver.bots) == ["42"]


@pytest.mark.parametrize("raises", [False, True])
async def test_a_refusal_after_the_adapter_has_accepted_closes(
    serving: Serving, raises: bool
) -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, WebSocket)
            await request.accept()
            if raises:
                raise ValueError("oops")
            return None, None

    driver = make_driver(Recorder)
    async with serving(driver) as host, host.connected() as client:
        assert (await client.read_close()).close_code == (1011 if raises else 1008)
        assert await client.read_to_end() == b""
        assert driver.bots == {}


async def test_an_adapter_that_closes_before_the_accept_refuses(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """Trap: aiohttp's `close()` before `prepare()` raises, and `closed` is then False."""

    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, WebSocket)
            await request.close(1008)
            assert request.closed
            return "1", None

    driver = make_driver(Recorder)
    async with serving(driver) as host, await host.client() as client:
        assert (await host.upgrade(client)).status in (400, 403)
        assert driver.bots == {}
    assert "Exception in ASGI application" not in caplog.text


async def test_a_client_that_leaves_while_the_adapter_decides_enters_nothing(
    serving: Serving,
) -> None:
    adapter: type[Deciding] = type("Recorder", (Deciding,), {})
    driver = make_driver(adapter)
    hooked: list[Any] = []
    driver.on_bot_connect(hooked.append)
    async with serving(driver) as host:
        async with await host.client() as client:
            upgrading = asyncio.create_task(host.upgrade(client))
            await asyncio.wait_for(adapter.asked.wait(), 5)
            client.reset()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await upgrading
        await settle()
        adapter.decided.set()
        await settle()
        await eventually(lambda: driver.bots == {})
        async with host.connected():
            await eventually(lambda: "1" in driver.bots)
    assert len(hooked) == 1


async def test_connection_hooks_run_with_the_bot(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    driver, seen = make_driver(adapter), []
    driver.on_bot_connect(lambda bot: seen.append(("connect", bot, "1" in driver.bots)))
    driver.on_bot_disconnect(lambda bot: seen.append(("disconnect", bot, "1" in driver.bots)))
    async with serving(driver) as host:
        async with host.connected():
            await eventually(lambda: driver.bots)
            bot = driver.bots["1"]
        await eventually(lambda: len(seen) == 2)
    assert seen == [("connect", bot, True), ("disconnect", bot, False)]


async def test_the_stop_closes_with_1001(serving: Serving, adapter: type[RecordingBot]) -> None:
    """Trap: a WebSocket not closed in `on_shutdown` costs twice aiohttp's `shutdown_timeout`."""
    driver = make_driver(adapter)
    stopped: list[float] = []
    async with serving(driver) as host:
        client = await host.client()
        assert (await host.upgrade(client)).status == 101
        closing = asyncio.create_task(client.read_close())
        await eventually(lambda: driver.bots)
        begun = asyncio.get_running_loop().time()
    stopped.append(asyncio.get_running_loop().time() - begun)
    assert (await closing).close_code == (1001 if host.face == "aiohttp" else 1012)
    await client.close()
    assert stopped[0] < 2
    assert driver.bots == {}


async def test_compression_is_off_unless_asked_for(adapter: type[RecordingBot]) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate", **BOT}
    for compress in (False, True):
        driver = make_driver(adapter, aiohttp_compress=compress)
        async with own_process(driver) as host, await host.client() as client:
            response = await host.upgrade(client, offer)
            agreed = response.header("Sec-WebSocket-Extensions")
            assert agreed == ("permessage-deflate" if compress else None)


async def test_big_messages_pass_the_default_limit(
    serving: Serving, adapter: type[RecordingBot]
) -> None:
    """Trap: big images meet aiohttp's default of 4 MiB and end in 1009."""
    async with serving(make_driver(adapter)) as host, host.connected() as client:
        await client.send_frame(frames.binary(b"x" * (9 << 20)))
        await eventually(lambda: adapter.messages)
    assert len(adapter.messages[0]) == 9 << 20


async def test_names_that_no_adapter_has_stay_the_applications(
    adapter: type[RecordingBot],
) -> None:
    async with attached(make_driver(adapter)) as host, await host.client() as client:
        response = await host.upgrade(client, target="/stranger/ws")
        assert (response.status, response.text) == (404, "404: Not Found")


async def test_a_silent_peer_is_gone_within_a_bounded_time(
    adapter: type[RecordingBot],
) -> None:
    """Trap: no heartbeat, silent loss (go-cqhttp#131)."""
    driver = make_driver(adapter, aiohttp_heartbeat=0.1)
    async with own_process(driver) as host, host.connected() as client:
        await eventually(lambda: driver.bots)
        assert (await client.read_frame()).opcode == Opcode.PING
        await eventually(lambda: not driver.bots)


async def test_a_peer_that_answers_pings_stays(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter, aiohttp_heartbeat=0.05)
    async with own_process(driver) as host, host.connected() as client:
        for _ in range(4):
            await _answer_ping(client)
        assert "1" in driver.bots


async def _answer_ping(client: RawClient) -> None:
    ping = await client.read_frame()
    assert ping.opcode == Opcode.PING
    await client.send_frame(frames.pong(ping.payload))


def adapter_socket(adapter: type[RecordingBot]) -> WebSocket:
    """Return the socket of the adapter's latest connection."""
    socket = adapter.requests[-1]
    assert isinstance(socket, WebSocket)
    return socket
