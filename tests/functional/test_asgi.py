"""The ASGI application, called by hand: what only an ASGI server can do, and the lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount

from nonebot_aiohttp import HTTPConnection, HTTPRequest
from tests.support.asgi import Call, request, scope
from tests.support.bots import Adapter, Decision, deciding, make_driver, running
from tests.support.client import RawClient
from tests.support.hosts import serve_asgi
from tests.support.logs import Logs
from tests.support.waiting import settle, within

CONNECT = {"type": "websocket.connect"}
EXTENSION: dict[str, Any] = {"websocket.http.response": {}}


async def send_nothing(event: MutableMapping[str, Any]) -> None:
    raise AssertionError(event)


async def test_a_webhook_arrives(adapter: Adapter) -> None:
    headers = [(b"X-Self-ID", b"1"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x", b"\xe9")]
    async with running(adapter) as driver:
        status, fields, body = await request(
            driver.asgi,
            "/recorder/",
            b"event",
            headers=headers,
            query_string=b"a=%2F",
            scheme="https",
        )
    assert (status, fields, body) == (200, {b"content-length": b"0"}, b"")
    seen = adapter.requests[0]
    assert isinstance(seen, HTTPRequest)
    assert (seen.scheme, seen.query_string, seen.body) == ("https", b"a=%2F", b"event")
    assert seen.headers["cookie"] == "a=1; b=2"
    assert adapter.messages == [b"event"]


async def test_a_scope_may_lack_what_is_optional(adapter: Adapter) -> None:
    minimal = scope("http", "/recorder/")
    del minimal["http_version"], minimal["query_string"]
    async with (
        running(adapter) as driver,
        Call(driver.asgi, minimal, {"type": "http.request"}) as call,
    ):
        assert (await call.next())["status"] == 200
        await call.next()
    assert (adapter.requests[0].http_version, adapter.requests[0].query_string) == ("1.1", b"")
    assert adapter.requests[0].scheme == "http"
    assert adapter.messages == [b""]


@pytest.mark.promise("webhook: a body over the limit gets 413")
@pytest.mark.parametrize("length", [b"not a number", "²²".encode()])
async def test_a_length_that_is_not_a_number_hides_no_body_over_the_limit(
    adapter: Adapter, length: bytes
) -> None:
    headers = [(b"content-length", length)]
    async with running(adapter, aiohttp_max_body_size=10) as driver:
        status, _, body = await request(driver.asgi, "/recorder/", b"x" * 11, headers=headers)
    assert (status, body) == (413, b"the body is larger than 10 bytes (aiohttp_max_body_size)")


@pytest.mark.parametrize("length", [b"11", b"9" * 5000], ids=["over the limit", "no int"])
async def test_a_body_that_is_declared_too_large_is_not_waited_for(
    length: bytes, adapter: Adapter
) -> None:
    headers = [(b"x-self-id", b"1"), (b"content-length", length)]
    declared = scope("http", "/recorder/", headers=headers)
    async with (
        running(adapter, aiohttp_max_body_size=10) as driver,
        Call(driver.asgi, declared) as call,
    ):
        assert (await call.next())["status"] == 413
        await call.next()
    assert adapter.requests == []


async def test_a_request_that_leads_nowhere_is_not_asked_for_its_body(adapter: Adapter) -> None:
    async with running(adapter) as driver:
        for path, method, status in (
            ("/no/such/path", "POST", 404),
            ("/stranger/", "POST", 404),
            ("/recorder/", "GET", 405),
            ("/recorder/ws", "GET", 426),
        ):
            async with Call(driver.asgi, scope("http", path, method=method)) as call:
                assert (await call.next())["status"] == status
                await call.next()
    async with Call(driver.asgi, scope("http", "/recorder/")) as call:
        assert (await call.next())["status"] == 503
        await call.next()


async def test_an_error_of_the_hosts_receive_is_the_hosts(adapter: Adapter) -> None:
    """Middleware may bound bodies by raising what it catches itself."""
    driver = make_driver(adapter)

    async def receive() -> dict[str, Any]:
        raise LookupError("mine")

    async with driver.lifespan():
        with pytest.raises(LookupError, match="mine"):
            await driver.asgi(scope("http", "/recorder/"), receive, send_nothing)
        assert (await request(driver.asgi, "/recorder/"))[0] == 200


async def test_a_request_that_is_cancelled_amid_its_permission_leaves_its_place() -> None:
    asked = asyncio.Event()

    async def decide(request: HTTPConnection) -> Decision:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        return "1", None

    async with running(deciding(decide), aiohttp_max_inflight=1) as driver:
        waiting = asyncio.create_task(request(driver.asgi, "/recorder/"))
        await within(asked.wait())
        assert (await request(driver.asgi, "/recorder/"))[0] == 503
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await request(driver.asgi, "/recorder/"))[0] == 200


async def test_a_body_is_received_in_the_task_of_its_request(adapter: Adapter) -> None:
    """Middleware's receive may open what only the same task may close."""
    driver, tasks = make_driver(adapter), list[asyncio.Task[Any] | None]()

    async def receive() -> dict[str, Any]:
        tasks.append(asyncio.current_task())
        await settle()
        tasks.append(asyncio.current_task())
        return {"type": "http.request", "body": b"x", "more_body": len(tasks) < 4}

    async def send(event: MutableMapping[str, Any]) -> None:
        tasks.append(asyncio.current_task())

    async with driver.lifespan():
        await driver.asgi(scope("http", "/recorder/"), receive, send)
    assert set(tasks) == {asyncio.current_task()}
    assert adapter.messages == [b"xx"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/recorder/", {"Origin": "https://evil.example"}, 403),
        ("/unknown/", {}, 404),
        ("/recorder/", {"Content-Length": "99999999"}, 413),
        ("/recorder/", {}, 200),
    ],
)
async def test_middleware_may_open_something_in_its_receive(
    adapter: Adapter, path: str, headers: dict[str, str], status: int
) -> None:
    """Trap: a receive of Starlette's that is begun and not ended leaves a cancel scope open."""

    async def handle(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    driver = make_driver(adapter)
    app = Starlette(
        routes=[Mount("/", driver.asgi)], middleware=[Middleware(BaseHTTPMiddleware, handle)]
    )
    async with driver.lifespan(), serve_asgi(app) as port, await RawClient.connect(port) as client:
        sent = {"X-Self-ID": "1", **headers}
        await client.send_request("POST", path, sent, b"" if "Content-Length" in sent else b"event")
        assert (await client.read_response()).status == status


async def test_a_server_may_cancel_a_request_that_waits_for_its_body(adapter: Adapter) -> None:
    driver, ended = make_driver(adapter), list[bool]()

    async def receive() -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError

    async with driver.lifespan():
        task = asyncio.create_task(driver.asgi(scope("http", "/recorder/"), receive, send_nothing))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]
        assert (await request(driver.asgi, "/recorder/"))[0] == 200


@pytest.mark.promise("webhook: the path is decoded and keeps any prefix, and the query is raw")
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
    adapter: Adapter, path: str, root: str
) -> None:
    async with running(adapter) as driver:
        assert (await request(driver.asgi, path, root_path=root))[0] == 200
        websocket = scope("websocket", path.removesuffix("http") + "ws", root_path=root)
        async with Call(driver.asgi, websocket) as call:
            await call.give("websocket.connect")
            assert (await call.next())["type"] == "websocket.accept"
            await call.give("websocket.disconnect", code=1000)
    assert adapter.requests[0].path == path


@pytest.mark.promise("life: a driver that was not started answers 503 and logs why once")
async def test_a_driver_that_was_not_started_answers_503_and_says_why_once(
    adapter: Adapter, logs: Logs
) -> None:
    driver = make_driver(adapter)
    for _ in range(3):
        status, headers, body = await request(driver.asgi, "/recorder/")
        assert (status, body) == (503, b"the driver is not started")
        assert headers[b"retry-after"] == b"5"
        # Trap: HTTP/2 has no such header (RFC 9113, section 8.2.2).
        assert b"connection" not in headers
    websocket = scope("websocket", "/recorder/ws", extensions=EXTENSION)
    async with Call(driver.asgi, websocket, CONNECT) as call:
        assert (await call.next())["status"] == 503
        await call.next()
    assert len(logs.matching("async with driver.lifespan()", "ERROR")) == 1
    assert adapter.requests == []


async def test_the_lifespan_protocol_starts_and_stops(adapter: Adapter, logs: Logs) -> None:
    """Trap: events were handled before `on_startup` had finished (nonebot2#2475)."""
    driver, may_go_on, stopped = make_driver(adapter), asyncio.Event(), list[str]()
    driver.on_startup(may_go_on.wait)
    driver.on_shutdown(lambda: stopped.append("shutdown"))
    async with Call(driver.asgi, {"type": "lifespan"}) as lifespan:
        await lifespan.give("lifespan.startup")
        status, _, body = await request(driver.asgi, "/recorder/", b"early")
        assert (status, body) == (503, b"the driver is starting")
        may_go_on.set()
        assert await lifespan.next() == {"type": "lifespan.startup.complete"}
        assert (await request(driver.asgi, "/recorder/", b"event"))[0] == 200
        await lifespan.give("lifespan.shutdown")
        assert await lifespan.next() == {"type": "lifespan.shutdown.complete"}
    assert (adapter.messages, stopped) == ([b"event"], ["shutdown"])
    assert not logs.matching("async with driver.lifespan()")
    assert (await request(driver.asgi, "/recorder/"))[0] == 503


async def test_a_startup_hook_that_raises_is_startup_failed(adapter: Adapter, logs: Logs) -> None:
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


async def test_a_scope_of_another_type_is_ignored(adapter: Adapter) -> None:
    async with running(adapter) as driver, Call(driver.asgi, {"type": "other"}) as call:
        await call.ended()
    assert call.sent == []
