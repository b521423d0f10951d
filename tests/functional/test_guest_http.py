"""An ASGI application behind the bot's own paths: HTTP, from the scope to the last byte."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest import mock

import pytest
from aiohttp.test_utils import make_mocked_request
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match, Route

from nonebot_aiohttp.reverse.guests.http import HttpExchange, make_scope
from tests.support.guests import read_until, serving_guest, take_upload, without_lifespan
from tests.support.hosts import HOSTS
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops


async def show(request: Request) -> JSONResponse:
    """Show the scope, as far as JSON can."""
    scope = request.scope
    shown = {
        name: scope.get(name)
        for name in ("http_version", "method", "scheme", "path", "root_path", "client", "server")
    }
    pairs = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    raw = {name: scope[name].decode() for name in ("raw_path", "query_string")}
    return JSONResponse({**shown, **raw, "headers": pairs, "asgi": scope["asgi"]})


@pytest.mark.parametrize("name", HOSTS)
async def test_the_scope_says_what_has_come(name: str) -> None:
    app = Starlette(routes=[Route("/show/{rest:path}", show)])
    async with serving_guest(app, name) as (host, _):
        target = "/show/%E4%BD%A0/a%2Fb?x=%2F&y=1"
        headers = [("X-Many", "b"), ("X-Many", "a"), ("Host", "bot.example")]
        response = await host.request("GET", target, headers)
        assert response.status == 200, response
        shown: dict[str, Any] = json.loads(response.body)
    assert (shown["http_version"], shown["method"], shown["scheme"]) == ("1.1", "GET", "http")
    assert shown["path"] == f"{host.prefix}/show/你/a/b"
    assert shown["raw_path"] == f"{host.prefix}/show/%E4%BD%A0/a%2Fb"
    assert (shown["query_string"], shown["root_path"]) == ("x=%2F&y=1", host.prefix)
    assert shown["client"][0] == "127.0.0.1"
    assert shown["client"][1] > 0
    assert shown["server"] == ["127.0.0.1", host.port]
    assert shown["headers"] == [["x-many", "b"], ["x-many", "a"], ["host", "bot.example"]]


@pytest.mark.parametrize(
    ("headers", "scheme", "client"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}, "https", "192.0.2.1"),
        ({"X-Forwarded-For": "made.up, 192.0.2.1, 127.0.0.1"}, "http", "192.0.2.1"),
        ({"X-Forwarded-For": "::1, 127.0.0.1"}, "http", "::1"),
        ({"X-Forwarded-Proto": "gopher", "X-Forwarded-For": ", ,"}, "http", "127.0.0.1"),
        ({"X-Forwarded-For": "unknown"}, "http", "unknown"),
    ],
)
async def test_a_proxy_on_this_machine_says_for_whom(
    headers: dict[str, str], scheme: str, client: str
) -> None:
    app = Starlette(routes=[Route("/show/{rest:path}", show)])
    async with serving_guest(app) as (host, _):
        shown = json.loads((await host.request("GET", "/show/", headers)).body)
    assert (shown["scheme"], shown["client"][0]) == (scheme, client)


@pytest.mark.parametrize(
    ("peer", "scheme"), [(("192.0.2.7", 1), "http"), (("::1", 1, 0, 0), "https"), ("", "https")]
)
async def test_a_peer_on_another_machine_is_not_believed(peer: Any, scheme: str) -> None:
    transport = mock.Mock()
    transport.get_extra_info = {"peername": peer, "sslcontext": None}.get
    headers = {"X-Forwarded-Proto": "https"}
    request = make_mocked_request("GET", "/", headers, transport=transport)
    assert make_scope(request, "http", "")["scheme"] == scheme


async def test_a_transport_that_cannot_be_asked_has_gone() -> None:
    transport = mock.Mock()
    transport.is_closing.side_effect = AttributeError
    request = make_mocked_request("GET", "/", transport=transport)
    assert HttpExchange(request, lambda _: None).has_left


async def test_http_1_0_is_told_as_such() -> None:
    app = Starlette(routes=[Route("/show/{rest:path}", show)])
    async with serving_guest(app) as (host, _), await host.client() as client:
        await client.send(b"GET /show/ HTTP/1.0\r\n\r\n")
        response = await client.read_response()
    assert b'"http_version":"1.0"' in response.body


@pytest.mark.parametrize("name", HOSTS)
async def test_the_bots_own_paths_come_first(name: str) -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse(f"the guest's {request.method}")

    routes = [Route("/own", page, methods=["GET", "POST"]), Route("/page", page)]
    app = Starlette(routes=routes)

    def has_route(scope: Any) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)

    async with serving_guest(app, name, has_route) as (host, _):
        assert (await host.request("POST", "/own")).text == "the bot's own"
        assert (await host.request("GET", "/own")).text == "the guest's GET"
        assert (await host.request("PUT", "/own")).status == 405
        assert (await host.request("GET", "/page")).text == "the guest's GET"
        assert (await host.request("GET", "/nothing")).status == 404
        assert (await host.request("GET", "/own/ws")).status == 426


@pytest.mark.parametrize("name", HOSTS)
async def test_headers_are_the_guests(name: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [
            (b"Set-Cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-name", "好".encode()),
            (b"x-old", b"\xe9"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"page"})

    async with serving_guest(without_lifespan(app), name) as (host, _):
        response = await host.request("GET", "/")
    assert response.header_values("set-cookie") == ["a=1", "b=2"]
    assert (response.header("x-name") or "").encode("latin-1").decode() == "好"
    assert response.header("content-type") is None
    assert response.body == b"page"


@pytest.mark.parametrize("name", ["own_process", "asgi"])
@pytest.mark.parametrize("status", [200, 204, 304])
async def test_answers_without_a_body_on_the_wire(name: str, status: int) -> None:
    app = without_lifespan(Response("x" * 10 if status == 200 else None, status))
    async with serving_guest(app, name) as (host, _), await host.client() as client:
        for method in ("HEAD", "GET"):
            response = await client.request(method, "/")
            assert response.status == status
            expected = b"x" * 10 if (status, method) == (200, "GET") else b""
            assert response.body == expected
            if status == 200:
                assert response.header("content-length") == "10"
            assert response.header("transfer-encoding") is None


async def test_the_guest_may_close_the_connection() -> None:
    app = without_lifespan(Response("bye", headers={"Connection": "close"}))
    async with serving_guest(app) as (host, _), await host.client() as client:
        assert (await client.request("GET", "/")).text == "bye"
        assert await client.read_to_end() == b""


@pytest.mark.parametrize("name", HOSTS)
async def test_an_error_before_the_answer_is_a_500(name: str, logs: Logs) -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError("this page always fails")

    app = Starlette(routes=[Route("/fail", fail)])
    async with serving_guest(app, name) as (host, _), await host.client() as client:
        response = await client.request("GET", f"{host.prefix}/fail")
        assert (response.status, response.text) == (500, "Internal Server Error")
        if name != "asgi":
            # The connection goes on.
            assert (await client.request("GET", f"{host.prefix}/nothing")).status == 404
    if name != "asgi":
        assert logs.matching("A request of the guest failed", "ERROR")


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("length", [(), ((b"content-length", b"100"),)], ids=["chunked", "length"])
async def test_an_error_amid_a_stream_cuts_the_connection(
    name: str, length: Any, logs: Logs
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(length)})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("this stream always fails")

    async with (
        serving_guest(without_lifespan(app), name) as (host, _),
        await host.client() as client,
    ):
        await client.send_request("GET", f"{host.prefix}/")
        received = await client.read_to_end()
    assert b"half" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert b"500" not in received
    if name != "asgi":
        assert logs.matching("A request of the guest failed", "ERROR")


async def test_http_1_0_hears_of_an_error_amid_a_stream_by_a_reset() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.sleep(0.1)
        raise RuntimeError("this stream always fails")

    async with serving_guest(without_lifespan(app)) as (host, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", host.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"half" in await within(reader.readuntil(b"half"))
        with pytest.raises(ConnectionResetError):
            await within(reader.read())
        writer.close()


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], 500),
        ([("start", {"status": 200})], None),
        ([("start", {"status": 200, "headers": [(b"x", b"a\r\nb: c")]})], 500),
        ([("start", {"status": 200, "headers": [(b"content-length", b"2")]}), ("body", {})], None),
        (
            [
                ("start", {"status": 200, "headers": [(b"content-length", b"2")]}),
                ("body", {"body": b"long"}),
            ],
            None,
        ),
        ([("body", {"body": b"first"})], 500),
        ([("start", {"status": 201}), ("start", {"status": 200})], None),
        ([("push", {})], 500),
    ],
)
async def test_a_guest_that_errs_gives_no_complete_answer(
    events: list[tuple[str, dict[str, Any]]], status: int | None, logs: Logs
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for kind, rest in events:
            await send({"type": f"http.response.{kind}", **rest})

    async with serving_guest(without_lifespan(app)) as (host, _), await host.client() as client:
        await client.send_request("GET", "/")
        if status is None:
            assert not (await client.read_to_end()).endswith(b"\r\n0\r\n\r\n")
        else:
            assert (await client.read_response()).status == status
    assert logs.matching("A request of the guest failed", "ERROR")


@pytest.mark.parametrize("name", HOSTS)
async def test_a_background_task_holds_up_no_client(name: str) -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        ended.set()

    async def answer(request: Request) -> Response:
        return PlainTextResponse("taken", background=BackgroundTask(work))

    app = Starlette(routes=[Route("/work", answer), Route("/show/{rest:path}", show)])
    async with serving_guest(app, name) as (host, _), await host.client() as client:
        assert (await client.request("GET", f"{host.prefix}/work")).text == "taken"
        # Nor the next request of the same connection.
        assert (await client.request("GET", f"{host.prefix}/show/")).status == 200
        assert not ended.is_set()
        go_on.set()
        await within(ended.wait())


async def test_the_stop_waits_for_background_tasks() -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        ended.set()

    app = without_lifespan(PlainTextResponse("taken", background=BackgroundTask(work)))
    async with serving_guest(app, drain_timeout=60) as (host, driver):
        assert (await host.request("GET", "/")).text == "taken"
        stopping = asyncio.ensure_future(driver.lifespan.stop())
        await asyncio.sleep(0)
        assert len(driver.requests) == 1
        go_on.set()
        await within(stopping)
        assert ended.is_set()


@pytest.mark.parametrize("begun", [True, False])
async def test_the_stop_cuts_off_what_does_not_end(begun: bool, logs: Logs) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.Event().wait()

    short: dict[str, Any] = {"drain_timeout": 0.1, "close_timeout": 0.5}
    async with (
        serving_guest(without_lifespan(app), **short) as (host, driver),
        await host.client() as client,
    ):
        await client.send_request("GET", "/")
        await eventually(lambda: len(driver.requests), what="the request")
        if begun:
            await read_until(client, b"half")
        await within(driver.lifespan.stop())
        if begun:
            assert not (await client.read_to_end()).endswith(b"0\r\n\r\n")
        else:
            assert (await client.read_response()).status == 500
    assert logs.matching("Cut off 1 HTTP handler(s) of the guest", "ERROR")


@pytest.mark.parametrize("name", ["own_process", "asgi"])
async def test_middleware_of_starlette_works(name: str) -> None:
    async def mark(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response

    app = Starlette(
        routes=[Route("/upload", take_upload, methods=["POST"])],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=mark)],
    )
    async with serving_guest(app, name) as (host, _):
        response = await host.request("POST", "/upload", body=b"abc")
    assert response.header("x-marked") == "yes"
    assert response.body.startswith(b"[3,")


async def test_many_requests_of_one_connection_that_does_not_wait() -> None:
    app = Starlette(routes=[Route("/upload", take_upload, methods=["POST"])])
    async with serving_guest(app) as (host, _), await host.client() as client:
        for number in range(20):
            await client.send_request("POST", "/upload", body=b"x" * (number + 1))
        for number in range(20):
            assert (await client.read_response()).body.startswith(b"[%d," % (number + 1))
