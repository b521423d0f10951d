"""Uploads and downloads of a guest, and clients that stall or leave amid them."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.client import RawClient
from tests.support.guests import read_until, serving_guest, take_upload, without_lifespan
from tests.support.hosts import HOSTS
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

MIB = 1024 * 1024

pytestmark = pytest.mark.both_loops


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("kind", ["content-length", "chunked"])
async def test_an_upload_of_30_mib_is_streamed(name: str, kind: str) -> None:
    app = Starlette(routes=[Route("/upload", take_upload, methods=["POST"])])
    part = bytes(range(256)) * 4096
    async with (
        serving_guest(app, name, max_body_size=1024) as (host, _),
        await host.client() as client,
    ):
        length = {"Content-Length": str(30 * len(part))}
        headers = length if kind == "content-length" else {"Transfer-Encoding": "chunked"}
        await client.send_request("POST", f"{host.prefix}/upload", headers)
        for _ in range(30):
            if kind == "chunked":
                await client.send(b"%x\r\n" % len(part) + part + b"\r\n")
            else:
                await client.send(part)
        if kind == "chunked":
            await client.send(b"0\r\n\r\n")
        response = await client.read_response()
    assert response.text == f'[{30 * MIB},"{hashlib.sha256(part * 30).hexdigest()}"]'


async def test_a_guest_that_does_not_read_an_upload_holds_it_up() -> None:
    go_on = asyncio.Event()

    async def slow(request: Request) -> Response:
        await go_on.wait()
        return await take_upload(request)

    app = Starlette(routes=[Route("/upload", slow, methods=["POST"])])
    async with serving_guest(app) as (host, _), await host.client() as client:
        await client.send_request("POST", "/upload", {"Content-Length": str(64 * MIB)})
        tracemalloc.start()
        try:
            part = bytes(MIB)
            sending = asyncio.ensure_future(send_all(client, part, 64))
            await asyncio.wait({sending}, timeout=0.5)
            assert not sending.done()
            # A driver that took all of it in would hold 64 MiB here.
            assert tracemalloc.get_traced_memory()[0] < 16 * MIB
        finally:
            tracemalloc.stop()
        go_on.set()
        await within(sending)
        assert (await client.read_response()).body.startswith(b"[%d," % (64 * MIB))


async def send_all(client: RawClient, part: bytes, times: int) -> None:
    """Send the same bytes several times."""
    for _ in range(times):
        await client.send(part)


async def test_a_client_that_does_not_read_a_download_holds_it_up() -> None:
    made = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(64):
            made += 1
            yield bytes(MIB)

    app = without_lifespan(StreamingResponse(parts(), headers={"Content-Length": str(64 * MIB)}))
    async with serving_guest(app) as (host, _), await host.client() as client:
        await client.send_request("GET", "/")
        await eventually(lambda: made, what="the first part")
        before = -1
        while before != made:
            before = made
            await asyncio.sleep(0.1)
        assert made < 32
        assert len((await client.read_response()).body) == 64 * MIB


class Events:
    """Server-sent events, and whether the generator that makes them is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.app = Starlette(routes=[Route("/events", self.answer)])

    async def answer(self, request: Request) -> Response:
        return StreamingResponse(self.make(), media_type="text/event-stream")

    async def make(self) -> AsyncIterator[str]:
        try:
            yield "data: first\n\n"
            await asyncio.Event().wait()
        finally:
            self.closed.set()


@pytest.mark.parametrize("name", HOSTS)
async def test_events_end_when_the_client_leaves(name: str) -> None:
    events = Events()
    async with serving_guest(events.app, name) as (host, driver):
        async with await host.client() as client:
            await client.send_request("GET", f"{host.prefix}/events")
            assert b"data: first\n\n" in await read_until(client, b"first\n\n")
            assert not events.closed.is_set()
        await within(events.closed.wait())
        await eventually(lambda: not len(driver.requests) and not len(driver.socket_tasks))


@pytest.mark.parametrize("name", ["own_process", "subapp"])
async def test_the_stop_ends_events_at_once(name: str, logs: Logs) -> None:
    events = Events()
    async with (
        serving_guest(events.app, name, drain_timeout=60) as (host, driver),
        await host.client() as client,
    ):
        await client.send_request("GET", f"{host.prefix}/events")
        await read_until(client, b"first\n\n")
        await within(driver.lifespan.stop())
        assert events.closed.is_set()
        # It ends as a whole response, and a browser comes back later.
        await read_until(client, b"0\r\n\r\n")
    assert not logs.matching("Cut off")


async def test_a_guest_that_receives_hears_of_a_client_that_leaves() -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])
        # Sending to a client that has left is not an error.
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})
        heard.append("the end")

    async with serving_guest(without_lifespan(app)) as (host, _):
        async with await host.client() as client:
            await client.send_request("GET", "/")
            await eventually(lambda: heard, what="the request")
        await eventually(lambda: len(heard) == 3, what="the end")
    assert heard == ["http.request", "http.disconnect", "the end"]


async def test_a_guest_that_sends_to_nobody_yields_to_the_event_loop() -> None:
    stop = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/page":
            await PlainTextResponse("page")(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not stop:
            await send({"type": "http.response.body", "body": b"x" * MIB, "more_body": True})

    async with serving_guest(without_lifespan(app)) as (host, _):
        async with await host.client() as client:
            await client.send_request("GET", "/endless")
            await read_until(client, b"xxx")
        assert (await host.request("GET", "/page")).text == "page"
        stop = True


async def test_a_client_that_leaves_amid_its_upload() -> None:
    heard: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not heard or heard[-1]["type"] != "http.disconnect":
            heard.append(await receive())

    async with serving_guest(without_lifespan(app)) as (host, _):
        async with await host.client() as client:
            await client.send_request("POST", "/", {"Content-Length": "10"}, b"abc")
            await eventually(lambda: heard, what="the first part")
        await eventually(lambda: len(heard) == 2, what="the end")
    assert heard[0] == {"type": "http.request", "body": b"abc", "more_body": True}


@pytest.mark.parametrize("name", ["own_process", "subapp", "attached"])
async def test_a_client_that_stalls_during_an_upload_is_dropped(name: str, logs: Logs) -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not heard or heard[-1] != "http.disconnect":
            heard.append((await receive())["type"])

    guest = without_lifespan(app)
    async with (
        serving_guest(guest, name, body_timeout=0.3) as (host, driver),
        await host.client() as client,
    ):
        await client.send_request("POST", f"{host.prefix}/", {"Content-Length": "10"}, b"abc")
        assert await client.read_to_end() == b""
        await eventually(lambda: heard[-1] == "http.disconnect")
        await eventually(lambda: not driver.requests.describe_pending())
    assert not logs.matching("", "ERROR")


@pytest.mark.parametrize("name", ["subapp", "attached"])
async def test_an_upload_that_cannot_be_read_ends_the_connection(name: str, logs: Logs) -> None:
    """Hosts of aiohttp decompress, and notice the error while they read."""
    app = Starlette(routes=[Route("/upload", take_upload, methods=["POST"])])
    async with serving_guest(app, name) as (host, _), await host.client() as client:
        headers = {"Content-Encoding": "gzip", "Content-Length": "100"}
        await client.send_request("POST", f"{host.prefix}/upload", headers, b"no gzip at all")
        assert b" 200 " not in await client.read_to_end()
        assert (await host.request("POST", "/upload", body=b"abc")).status == 200
    assert not logs.matching("", "ERROR")


async def test_an_answer_before_the_upload_has_ended() -> None:
    app = without_lifespan(PlainTextResponse("no thanks", 403))
    async with serving_guest(app) as (host, _), await host.client() as client:
        await client.send_request("POST", "/", {"Content-Length": "20"}, b"x" * 10)
        assert (await client.read_response()).status == 403
        await client.send(b"x" * 10)
        assert (await client.request("GET", "/")).status == 403


async def test_expect_is_answered() -> None:
    app = Starlette(routes=[Route("/upload", take_upload, methods=["POST"])])
    async with serving_guest(app) as (host, _), await host.client() as client:
        await client.send_request(
            "POST", "/upload", {"Content-Length": "3", "Expect": "100-continue"}
        )
        assert (await client.read_response()).status == 100
        await client.send(b"abc")
        assert (await client.read_response()).body.startswith(b"[3,")
