"""The ASGI face, called by hand: what only an ASGI server can do, and the lifespan protocol."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nonebot_aiohttp import (
    HTTPConnection,
    HTTPRequest,
    HTTPResponse,
    ReceiveConflict,
    WebSocketClosed,
    WebSocketNotAccepted,
)
from nonebot_aiohttp.reverse.asgi import AsgiSocket
from tests.support.asgi import Call, Event, request, scope
from tests.support.bots import Decision, RecordingBot, make_driver
from tests.support.hosts import serve_asgi
from tests.support.logs import Logs
from tests.support.waiting import eventually, settle, within

CONNECT = {"type": "websocket.connect"}
EXTENSION = {"websocket.http.response": {}}


def socket_of(adapter: type[RecordingBot]) -> AsgiSocket:
    socket = adapter.requests[-1]
    assert isinstance(socket, AsgiSocket)
    return socket


async def test_a_webhook_arrives(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter)
    headers = [(b"X-Self-ID", b"1"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x", b"\xe9")]
    async with driver.lifespan():
        status, fields, body = await request(
            driver.asgi, "/recorder/", b"event", headers=headers, query_string=b"a=%2F"
        )
    assert (status, fields, body) == (200, {b"content-length": b"0"}, b"")
    seen = adapter.requests[0]
    assert isinstance(seen, HTTPRequest)
    assert (seen.scheme, seen.query_string, seen.body) == ("http", b"a=%2F", b"event")
    assert seen.headers["cookie"] == "a=1; b=2"
    assert adapter.messages == [b"event"]


async def test_a_scope_may_lack_what_is_optional(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter)
    minimal = scope("http", "/recorder/")
    del minimal["http_version"], minimal["query_string"]
    async with driver.lifespan(), Call(driver.asgi, minimal, {"type": "http.request"}) as call:
        assert (await call.next())["status"] == 200
        await call.next()
    assert (adapter.requests[0].http_version, adapter.requests[0].query_string) == ("1.1", b"")


async def test_a_body_comes_in_parts(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter)
    async with driver.lifespan(), Call(driver.asgi, scope("http", "/recorder/")) as call:
        await call.give("http.request", body=b"ev", more_body=True)
        await call.give("http.request", body=b"en", more_body=True)
        await call.give("http.request", body=b"t", more_body=False)
        assert (await call.next())["status"] == 200
        await call.next()
    assert adapter.messages == [b"event"]


async def test_a_client_that_leaves_amid_its_body_is_not_heard(
    adapter: type[RecordingBot],
) -> None:
    driver = make_driver(adapter, aiohttp_max_inflight=1)
    async with driver.lifespan():
        async with Call(driver.asgi, scope("http", "/recorder/")) as call:
            await call.give("http.request", body=b"ev", more_body=True)
            await call.give("http.disconnect")
            assert (await call.next())["status"] == 400
            await call.next()
        assert (await request(driver.asgi, "/recorder/"))[0] == 200
    assert adapter.messages == [b""]


@pytest.mark.parametrize("length", [None, b"11", b"not a number", "²".encode()])
async def test_a_body_over_the_limit_gets_413(
    adapter: type[RecordingBot], length: bytes | None
) -> None:
    driver = make_driver(adapter, aiohttp_max_body_size=10)
    headers = [(b"content-length", length)] if length is not None else []
    async with driver.lifespan():
        status, _, body = await request(driver.asgi, "/recorder/", b"x" * 11, headers=headers)
    assert (status, body) == (413, b"the body is larger than 10 bytes (aiohttp_max_body_size)")


async def test_a_body_that_trickles_gets_408(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter, aiohttp_body_timeout=0.01)
    async with driver.lifespan(), Call(driver.asgi, scope("http", "/recorder/")) as call:
        await call.give("http.request", body=b"x", more_body=True)
        assert (await call.next())["status"] == 408
        await call.next()
    assert adapter.messages == []


async def test_an_answer_becomes_a_valid_one() -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            headers: Any = {"X-Number": 1, "Connection": "close", "content-length": "99"}
            body: Any = "text"
            return "1", HTTPResponse(200, body, headers)

    driver = make_driver(Recorder)
    async with driver.lifespan():
        status, headers, body = await request(driver.asgi, "/recorder/")
    assert (status, body) == (200, b"text")
    assert headers == {b"x-number": b"1", b"content-length": b"4"}


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/bot/recorder/", "/bot"),
        ("/bot/recorder/", "/bot/"),
        ("/recorder/", "/bot"),
        ("/a/b/recorder/http", "/a/b"),
    ],
)
async def test_routing_strips_root_path_and_the_adapter_sees_it_all(
    adapter: type[RecordingBot], path: str, root: str
) -> None:
    driver = make_driver(adapter)
    async with driver.lifespan():
        assert (await request(driver.asgi, path, root_path=root))[0] == 200
        websocket = scope("websocket", path.replace("/http", "/") + "ws", root_path=root)
        async with Call(driver.asgi, {**websocket, "path": path.removesuffix("http") + "ws"}) as call:
            await call.give("websocket.connect")
            assert (await call.next())["type"] == "websocket.accept"
            await call.give("websocket.disconnect", code=1000)
    assert adapter.requests[0].path == path


async def test_a_driver_that_was_not_started_answers_503_and_says_why_once(
    adapter: type[RecordingBot], logs: Logs
) -> None:
    driver = make_driver(adapter)
    for _ in range(3):
        status, headers, body = await request(driver.asgi, "/recorder/")
        assert (status, body) == (503, b"the driver is not started")
        assert headers[b"retry-after"] == b"5"
    websocket = scope("websocket", "/recorder/ws", extensions=EXTENSION)
    async with Call(driver.asgi, websocket, CONNECT) as call:
        assert (await call.next())["status"] == 503
        await call.next()
    assert len(logs.matching("async with driver.lifespan()", "ERROR")) == 1
    assert adapter.requests == []


async def test_the_lifespan_protocol_starts_and_stops(adapter: type[RecordingBot]) -> None:
    driver, seen = make_driver(adapter), list[str]()
    driver.on_startup(lambda: seen.append("startup"))
    driver.on_shutdown(lambda: seen.append("shutdown"))
    async with Call(driver.asgi, {"type": "lifespan"}) as lifespan:
        await lifespan.give("lifespan.startup")
        assert await lifespan.next() == {"type": "lifespan.startup.complete"}
        assert (await request(driver.asgi, "/recorder/", b"event"))[0] == 200
        assert seen == ["startup"]
        await lifespan.give("lifespan.shutdown")
        assert await lifespan.next() == {"type": "lifespan.shutdown.complete"}
    assert seen == ["startup", "shutdown"]
    assert (await request(driver.asgi, "/recorder/"))[0] == 503


async def test_a_startup_hook_that_raises_is_startup_failed(
    adapter: type[RecordingBot], logs: Logs
) -> None:
    driver = make_driver(adapter)

    @driver.on_startup
    def no_database() -> None:
        raise ValueError("no database")

    async with Call(driver.asgi, {"type": "lifespan"}) as lifespan:
        await lifespan.give("lifespan.startup")
        event = await lifespan.next()
        assert event["type"] == "lifespan.startup.failed"
        assert "no_database" in event["message"]
    assert "no database" in logs.output


async def test_a_server_that_cannot_start_the_driver_exits() -> None:
    driver = make_driver()
    driver.on_startup(lambda: 1 / 0)
    with pytest.raises(SystemExit):
        async with serve_asgi(driver.asgi):
            pass


@pytest.mark.parametrize("extensions", [None, EXTENSION])
async def test_a_refusal_is_a_response_where_the_server_can(
    adapter: type[RecordingBot], extensions: dict[str, Any] | None
) -> None:
    driver = make_driver(adapter)
    more = {} if extensions is None else {"extensions": extensions}
    websocket = scope("websocket", "/recorder/ws", headers=[], **more)
    async with driver.lifespan(), Call(driver.asgi, websocket, CONNECT) as call:
        await call.ended()
    if extensions is None:
        assert [event["type"] for event in call.sent] == ["websocket.close"]
    else:
        start, body = call.sent
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
        assert (body["type"], body["body"]) == (
            "websocket.http.response.body",
            b"the adapter refused",
        )


async def test_an_unknown_path_is_refused(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter)
    for path in ("/", "/recorder/", "/stranger/ws"):
        websocket = scope("websocket", path, extensions=EXTENSION)
        async with driver.lifespan(), Call(driver.asgi, websocket, CONNECT) as call:
            await call.ended()
        assert call.sent[0]["status"] in (404, 405)
    assert adapter.requests == []


async def test_a_client_that_leaves_before_it_connects_is_nobody(
    adapter: type[RecordingBot],
) -> None:
    driver = make_driver(adapter)
    gone = {"type": "websocket.disconnect", "code": 1006}
    async with driver.lifespan(), Call(driver.asgi, scope("websocket", "/x"), gone) as call:
        await call.ended()
    assert call.sent == []


async def test_what_is_no_connection_is_passed_over(adapter: type[RecordingBot]) -> None:
    driver = make_driver(adapter)
    async with driver.lifespan(), Call(driver.asgi, {"type": "other"}) as call:
        await call.ended()
    assert call.sent == []


class Session:
    """A bot's WebSocket under a driver that runs, accepted."""

    def __init__(self, adapter: type[RecordingBot], **settings: Any) -> None:
        self.driver = make_driver(adapter, **settings)
        self._running = self.driver.lifespan()
        self._call = Call(self.driver.asgi, scope("websocket", "/recorder/ws"), CONNECT)

    async def __aenter__(self) -> Call:
        await self._running.__aenter__()
        await self._call.__aenter__()
        assert await self._call.next() == {"type": "websocket.accept"}
        return self._call

    async def __aexit__(self, *error: Any) -> None:
        await self._call.give("websocket.disconnect", code=1000)
        await self._call.__aexit__(*error)
        await self._running.__aexit__(*error)


async def test_messages_of_both_kinds_arrive_as_bytes(adapter: type[RecordingBot]) -> None:
    async with Session(adapter) as call:
        await call.give("websocket.receive", text="你好", bytes=None)
        await call.give("websocket.receive", bytes=b"\xff", text=None)
        await call.give("websocket.receive", text="")
        await call.give("websocket.receive", bytes=b"")
    assert adapter.messages == ["你好".encode(), b"\xff", b"", b""]


async def test_what_is_sent_is_of_its_kind(adapter: type[RecordingBot]) -> None:
    async with Session(adapter) as call:
        await socket_of(adapter).send("text")
        await socket_of(adapter).send_bytes(bytearray(b"bytes"))
        assert await call.next() == {"type": "websocket.send", "text": "text"}
        event = await call.next()
        assert event == {"type": "websocket.send", "bytes": b"bytes"}
        assert type(event["bytes"]) is bytes


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"code": 4000, "reason": "bye"}, 4000, "bye"),
        ({"code": 1001}, 1001, ""),
        ({"code": None, "reason": None}, 1005, ""),
        ({}, 1005, ""),
    ],
)
async def test_the_end_is_websocket_closed_with_code_and_reason(
    adapter: type[RecordingBot], fields: dict[str, Any], code: int, reason: str
) -> None:
    session = Session(adapter)
    async with session as call:
        await call.give("websocket.disconnect", **fields)
        await call.ended()
        socket = socket_of(adapter)
        await check_ended(socket, code, reason)
        assert session.driver.bots == {}
    assert call.sent == []


async def check_ended(socket: AsgiSocket, code: int, reason: str) -> None:
    assert socket.closed
    for use in (
        socket.send("late"),
        socket.send_bytes(b"late"),
        socket.receive(),
        socket.receive_bytes(),
        socket.pump(lambda _: None),
    ):
        with pytest.raises(WebSocketClosed) as closed:
            await within(use)
        assert (closed.value.code, closed.value.reason) == (code, reason)
    await socket.close()
    assert not await socket.is_alive(1)


async def test_closing_ends_the_reader_without_an_answer(adapter: type[RecordingBot]) -> None:
    async with Session(adapter) as call:
        await socket_of(adapter).close(4001)
        assert await call.next() == {"type": "websocket.close", "code": 4001, "reason": ""}
        await call.ended()
        await check_ended(socket_of(adapter), 4001, "closed by this side")


async def test_a_long_reason_is_cut(adapter: type[RecordingBot]) -> None:
    async with Session(adapter) as call:
        await socket_of(adapter).end(1008, "你" * 50)
        assert (await call.next())["reason"] == "你" * 41


async def test_dropping_ends_the_reader_and_closes(adapter: type[RecordingBot]) -> None:
    async with Session(adapter) as call:
        socket_of(adapter).abort("gone")
        event = await call.next()
        assert (event["type"], event["code"], event["reason"]) == ("websocket.close", 1008, "gone")
        await call.ended()
        await check_ended(socket_of(adapter), 1006, "gone")


async def test_a_send_that_the_server_refuses_is_websocket_closed(
    adapter: type[RecordingBot],
) -> None:
    """Each server has an error of its own for a connection that has gone meanwhile."""
    async with Session(adapter) as call:
        call.failure = RuntimeError("server's own")
        with pytest.raises(WebSocketClosed, match="1006: cannot send: RuntimeError"):
            await socket_of(adapter).send("x")
        assert socket_of(adapter).closed


async def test_a_close_that_the_server_refuses_is_a_close(adapter: type[RecordingBot]) -> None:
    async with Session(adapter) as call:
        call.failure = RuntimeError("server's own")
        await socket_of(adapter).close()
        await call.ended()


async def test_an_accept_that_the_server_refuses_enters_nothing(
    adapter: type[RecordingBot],
) -> None:
    driver = make_driver(adapter)
    websocket = scope("websocket", "/recorder/ws")
    async with driver.lifespan():
        async with Call(driver.asgi, websocket) as call:
            call.failure = RuntimeError("server's own")
            await call.give("websocket.connect")
            await settle()
            call.failure = None
        assert driver.bots == {}


async def test_closing_does_not_wait_for_a_server_that_waits(
    adapter: type[RecordingBot],
) -> None:
    """A server may wait for a peer that does not read."""

    async def never(event: Event) -> None:
        await asyncio.get_running_loop().create_future()

    driver = make_driver(aiohttp_close_timeout=0.01)
    fields: dict[str, Any] = {"http_version": "1.1", "scheme": "ws", "path": "/"}
    events: asyncio.Queue[Event] = asyncio.Queue()
    socket = AsgiSocket(events.get, never, driver.options, **fields)
    socket._accepted = True
    await within(socket.close())
    assert socket.closed


async def test_the_adapter_receives_before_the_reader_takes_over() -> None:
    received: list[Any] = []

    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, AsgiSocket)
            for use in (request.send("x"), request.send_bytes(b"x"), request.receive()):
                with pytest.raises(WebSocketNotAccepted):
                    await use
            await request.accept()
            await request.accept()
            waiting = asyncio.create_task(request.receive())
            await settle()
            with pytest.raises(ReceiveConflict, match="another task"):
                await request.receive()
            received.extend([await waiting, await request.receive_bytes()])
            received.append(await request.receive_frame())
            return "1", None

    driver = make_driver(Recorder)
    async with driver.lifespan():
        async with Call(driver.asgi, scope("websocket", "/recorder/ws"), CONNECT) as call:
            await call.next()
            await call.give("websocket.receive", bytes="你".encode())
            await call.give("websocket.receive", text="好")
            await call.give("websocket.receive", text="frame")
            await eventually(lambda: driver.bots)
            await call.give("websocket.disconnect", code=1000)
    assert received == ["你", "好".encode(), "frame"]
    assert call.sent == []


async def test_bytes_that_are_no_text_end_a_receive_of_text() -> None:
    class Recorder(RecordingBot):
        @classmethod
        async def decide(cls, request: HTTPConnection) -> Decision:
            assert isinstance(request, AsgiSocket)
            await request.accept()
            return await request.receive(), None

    driver = make_driver(Recorder)
    async with driver.lifespan():
        async with Call(driver.asgi, scope("websocket", "/recorder/ws"), CONNECT) as call:
            await call.next()
            await call.give("websocket.receive", bytes=b"\xff")
            assert (await call.next())["code"] == 1007
            await call.ended()
    assert driver.bots == {}
