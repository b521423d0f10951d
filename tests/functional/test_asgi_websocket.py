"""WebSockets on the ASGI transport, called by hand: events in, events out, and every ending."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

from nonebot_aiohttp import (
    DriverOptions,
    HTTPConnection,
    HTTPResponse,
    ReceiveConflict,
    WebSocketClosed,
    WebSocketNotAccepted,
)
from nonebot_aiohttp.connections.asgi_websocket import AsgiWebSocket
from tests.support.asgi import Call, Event, scope
from tests.support.bots import Adapter, Decision, deciding, make_driver, running
from tests.support.sides import late_uses
from tests.support.waiting import eventually, settle, within

CONNECT = {"type": "websocket.connect"}
EXTENSION: dict[str, Any] = {"websocket.http.response": {}}


def socket_of(adapter: Adapter) -> AsgiWebSocket:
    socket = adapter.requests[-1]
    assert isinstance(socket, AsgiWebSocket)
    return socket


@pytest.mark.promise("life: an ASGI refusal is a response where the server can send one")
@pytest.mark.parametrize("extensions", [None, EXTENSION])
async def test_a_refusal_is_a_response_where_the_server_can(
    adapter: Adapter, extensions: dict[str, Any] | None
) -> None:
    more = {} if extensions is None else {"extensions": extensions}
    websocket = scope("websocket", "/recorder/ws", headers=[], **more)
    async with running(adapter) as driver, Call(driver.asgi, websocket, CONNECT) as call:
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


async def test_a_client_that_leaves_before_it_connects_is_nobody(adapter: Adapter) -> None:
    gone = {"type": "websocket.disconnect", "code": 1006}
    async with (
        running(adapter) as driver,
        Call(driver.asgi, scope("websocket", "/x"), gone) as call,
    ):
        await call.ended()
    assert call.sent == []


class Session:
    """A bot's WebSocket under a driver that runs, accepted."""

    def __init__(self, adapter: Adapter, **settings: Any) -> None:
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


async def test_messages_of_both_kinds_arrive_as_bytes(adapter: Adapter) -> None:
    async with Session(adapter) as call:
        await call.give("websocket.receive", text="你好", bytes=None)
        await call.give("websocket.receive", bytes=b"\xff", text=None)
        await call.give("websocket.receive", text="")
        await call.give("websocket.receive", bytes=b"")
    assert adapter.messages == ["你好".encode(), b"\xff", b"", b""]


async def test_a_connection_that_falls_silent_keeps_no_message_alive(adapter: Adapter) -> None:
    async with Session(adapter) as call:
        await call.give("websocket.receive", bytes=bytes(1000))
        await eventually(lambda: len(adapter.messages) == 1)
        await settle()
        holders = gc.get_referrers(adapter.messages[0])
        # Python 3.10 counts the test itself.
        holders = [holder for holder in holders if holder is not sys._getframe()]
        assert holders == [adapter.messages]


async def test_what_is_sent_is_of_its_kind(adapter: Adapter) -> None:
    async with Session(adapter) as call:
        await socket_of(adapter).send("text")
        data: Any = bytearray(b"bytes")
        await socket_of(adapter).send_bytes(data)
        assert await call.next() == {"type": "websocket.send", "text": "text"}
        event = await call.next()
        assert event == {"type": "websocket.send", "bytes": b"bytes"}
        assert type(event["bytes"]) is bytes


@pytest.mark.parametrize("data", [{"text": 1}, 5, b"bytes"])
async def test_what_is_no_text_is_a_type_error_and_the_connection_goes_on(data: Any) -> None:
    """Trap: it looked as if the connection had ended, with 1006."""
    sent: list[Event] = []

    async def send(event: Event) -> None:
        if not isinstance(event.get("text", ""), str):
            raise TypeError("data must be str")
        sent.append(event)

    async def receive() -> Event:
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        return await future

    fields = {"http_version": "1.1", "scheme": "ws", "path": "/"}
    websocket = AsgiWebSocket(receive, send, DriverOptions(), **fields)
    await websocket.accept()
    with pytest.raises(TypeError, match=rf"takes text, not {type(data).__name__}: json.dumps"):
        await websocket.send(data)
    with pytest.raises(TypeError, match="takes bytes, not dict"):
        await websocket.send_bytes({"a": 1})  # type: ignore[arg-type]
    assert not websocket.gone
    await websocket.end(1000)
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.close"]


@pytest.mark.promise("reverse: every ending is WebSocketClosed with code and reason")
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
    adapter: Adapter, fields: dict[str, Any], code: int, reason: str
) -> None:
    session = Session(adapter)
    async with session as call:
        await call.give("websocket.disconnect", **fields)
        await call.ended()
        socket = socket_of(adapter)
        await check_ended(socket, code, reason)
        assert session.driver.bots == {}
    assert call.sent == []


async def check_ended(socket: AsgiWebSocket, code: int, reason: str) -> None:
    assert socket.closed
    assert [(each.code, each.reason) for each in await late_uses(socket)] == [(code, reason)] * 5
    await socket.close()


async def test_dropping_ends_the_reader_and_closes(adapter: Adapter) -> None:
    async with Session(adapter) as call:
        socket_of(adapter).abort("gone")
        event = await call.next()
        assert (event["type"], event["code"], event["reason"]) == ("websocket.close", 1011, "gone")
        await call.ended()
        await check_ended(socket_of(adapter), 1006, "gone")


async def test_a_send_that_the_server_refuses_is_websocket_closed(adapter: Adapter) -> None:
    """Each server has an error of its own for a connection that has gone meanwhile."""
    async with Session(adapter) as call:
        call.failure = RuntimeError("server's own")
        with pytest.raises(WebSocketClosed, match="1006: cannot send: RuntimeError"):
            await socket_of(adapter).send("x")
        assert socket_of(adapter).gone


async def test_what_came_before_it_is_still_received() -> None:
    received: list[Any] = []

    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, AsgiWebSocket)
        await request.accept()
        calling.failure = RuntimeError("server's own")
        for _ in range(2):
            with pytest.raises(WebSocketClosed, match="1006: cannot send: RuntimeError"):
                await request.send("late")
        assert request.gone
        assert not request.closed
        received.append(await request.receive())
        with pytest.raises(WebSocketClosed, match="4000"):
            await request.receive()
        with pytest.raises(WebSocketClosed, match="4000"):
            await request.send("late")
        return None, HTTPResponse(403)

    driver = make_driver(deciding(decide))
    calling = Call(driver.asgi, scope("websocket", "/recorder/ws"), CONNECT)
    async with driver.lifespan(), calling as call:
        await call.give("websocket.receive", text="hello")
        await call.give("websocket.disconnect", code=4000)
        await call.ended()
    assert received == ["hello"]


async def test_a_close_that_the_server_refuses_is_a_close(adapter: Adapter) -> None:
    async with Session(adapter) as call:
        call.failure = RuntimeError("server's own")
        await socket_of(adapter).close()
        await call.ended()


async def test_an_accept_that_the_server_refuses_enters_nothing(adapter: Adapter) -> None:
    websocket = scope("websocket", "/recorder/ws")
    async with running(adapter) as driver:
        async with Call(driver.asgi, websocket) as call:
            call.failure = RuntimeError("server's own")
            await call.give("websocket.connect")
            await settle()
            call.failure = None
        assert driver.bots == {}


async def test_closing_does_not_wait_for_a_server_that_waits(adapter: Adapter) -> None:
    """A server may wait for a peer that does not read."""

    async def never(event: Event) -> None:
        await asyncio.get_running_loop().create_future()

    driver = make_driver(aiohttp_close_timeout=0.01)
    fields: dict[str, Any] = {"http_version": "1.1", "scheme": "ws", "path": "/"}
    events: asyncio.Queue[Event] = asyncio.Queue()
    socket = AsgiWebSocket(events.get, never, driver.options, **fields)
    socket._accepted = True
    await within(socket.close())
    assert socket.closed


async def test_the_adapter_receives_before_the_reader_takes_over() -> None:
    received: list[Any] = []
    checked = asyncio.Event()

    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, AsgiWebSocket)
        for use in (request.send("x"), request.send_bytes(b"x"), request.receive()):
            with pytest.raises(WebSocketNotAccepted):
                await use
        await request.accept()
        await request.accept()
        waiting = asyncio.create_task(request.receive())
        await settle()
        with pytest.raises(ReceiveConflict, match="another task"):
            await request.receive()
        checked.set()
        received.extend([await waiting, await request.receive_bytes()])
        received.append(await request.receive_frame())
        return "1", None

    driver = make_driver(deciding(decide))
    calling = Call(driver.asgi, scope("websocket", "/recorder/ws"), CONNECT)
    async with driver.lifespan(), calling as call:
        await call.next()
        await within(checked.wait())
        await call.give("websocket.receive", bytes="你".encode())
        await call.give("websocket.receive", text="好")
        await call.give("websocket.receive", text="frame")
        await eventually(lambda: driver.bots)
        await call.give("websocket.disconnect", code=1000)
    assert received == ["你", "好".encode(), "frame"]
    assert call.sent == []


async def test_bytes_that_are_not_text_end_a_receive_of_text() -> None:
    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, AsgiWebSocket)
        await request.accept()
        return await request.receive(), None

    driver = make_driver(deciding(decide))
    calling = Call(driver.asgi, scope("websocket", "/recorder/ws"), CONNECT)
    async with driver.lifespan(), calling as call:
        await call.next()
        await call.give("websocket.receive", bytes=b"\xff")
        assert (await call.next())["code"] == 1007
        await call.ended()
    assert driver.bots == {}
