"""What a stranger can make the driver hold or do is bounded, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nonebot_aiohttp import HTTPResponse
from nonebot_aiohttp.connections import connected, fairness
from nonebot_aiohttp.connections.closing import TRY_AGAIN_LATER
from nonebot_aiohttp.reverse.bodies import BodyReader
from tests.support import frames
from tests.support.bots import Adapter, RecordingBot, answering, make_driver
from tests.support.client import RawClient
from tests.support.forward import WEBSOCKET
from tests.support.hosts import Host, Serving, own_process
from tests.support.logs import Logs
from tests.support.server import Connection
from tests.support.waiting import eventually, passes

pytestmark = pytest.mark.both_loops

BOT = {"X-Self-ID": "1"}
KIB = 1024


# Bodies


async def begin(host: Host, size: int, sent: int) -> RawClient:
    """Announce a body, and send the beginning of it."""
    client = await host.client()
    await client.send_request(
        "POST", f"{host.prefix}/recorder/", {**BOT, "Content-Length": str(size)}, b"x" * sent
    )
    return client


@asynccontextmanager
async def holding_a_body(
    serving: Serving, adapter: Adapter
) -> AsyncIterator[tuple[Host, BodyReader, RawClient]]:
    """Serve with room for 200 KiB of unfinished bodies, of which one client holds 150."""
    driver = make_driver(adapter, aiohttp_max_body_memory=200 * KIB)
    bodies = driver._host._bodies
    async with serving(driver) as host:
        first = await begin(host, 200 * KIB, 150 * KIB)
        await eventually(lambda: bodies.held == 150 * KIB)
        yield host, bodies, first


@pytest.mark.promise("strangers: unfinished bodies are bounded together")
async def test_bodies_that_never_end_are_refused_when_they_hold_too_much(
    serving: Serving, adapter: Adapter, logs: Logs
) -> None:
    async with holding_a_body(serving, adapter) as (host, bodies, first):
        large = await begin(host, 100 * KIB, 90 * KIB)
        response = await large.read_response()
        assert (response.status, response.header("Retry-After")) == (503, "5")
        assert "aiohttp_max_body_memory" in response.text
        # aiohttp reads the rest for a while, so that the answer is not lost to a reset.
        await large.send(b"x" * 10 * KIB)
        await large.close()
        await eventually(lambda: bodies.held == 150 * KIB)
        # Small ones have as much again, and whatever has arrived as a whole passes.
        small = [await begin(host, 60 * KIB, 50 * KIB) for _ in range(5)]
        await eventually(lambda: bodies.held == 400 * KIB)
        async with await begin(host, 60 * KIB, 50 * KIB) as late:
            assert (await late.read_response()).status == 503
            await late.send(b"x" * 10 * KIB)
        assert (await host.post()).status == 200
        for client in (first, *small):
            await client.close()
        await eventually(lambda: bodies.held == 0)
        assert (await host.post(b"x" * 150 * KIB)).status == 200
    assert len(logs.matching("aiohttp_max_body_memory", "WARNING")) == 1


async def test_the_last_part_of_a_body_needs_room_as_well(
    serving: Serving, adapter: Adapter
) -> None:
    async with holding_a_body(serving, adapter) as (host, bodies, first):
        async with await begin(host, 70 * KIB, 10 * KIB) as last:
            await eventually(lambda: bodies.held == 160 * KIB)
            await last.send(b"x" * 60 * KIB)
            assert (await last.read_response()).status == 503
        await first.close()
        await eventually(lambda: bodies.held == 0)
    assert adapter.messages == []


# Turns


@pytest.mark.promise("strangers: pipelined requests yield to the event loop")
@pytest.mark.parametrize("path", ["/recorder/", "/unknown"])
async def test_pipelined_requests_yield_to_the_event_loop(
    serving: Serving, adapter: Adapter, path: str
) -> None:
    count = 8 * fairness.IN_A_ROW
    async with serving(make_driver(adapter)) as host:
        if host.transport == "asgi" or (path == "/unknown" and serving is not own_process):
            pytest.skip("the host's own business")
        assert (await host.post()).status == 200
        async with await host.client() as client:
            head = f"POST {host.prefix}{path} HTTP/1.1\r\nHost: a\r\nX-Self-ID: 1\r\n"
            with passes() as counted:
                before = counted[0]
                await client.send(f"{head}Content-Length: 1\r\n\r\nx".encode() * count)
                for _ in range(count):
                    await client.read_response()
            assert counted[0] - before >= count / fairness.IN_A_ROW


def test_a_connection_that_waits_for_answers_keeps_its_turn() -> None:
    both = fairness.RequestTurns()
    one, other = object(), object()
    for _ in range(100):
        assert not both.is_over(one)
        assert not both.is_over(other)


# Handlers of one connection


def slow() -> Adapter:
    """Make an adapter whose handlers never end."""

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            await asyncio.Event().wait()

    return Recorder


@pytest.mark.promise("strangers: the handlers of one connection are bounded")
async def test_a_websocket_with_too_many_events_in_work_is_closed_with_1013(
    serving: Serving, logs: Logs
) -> None:
    driver = make_driver(slow(), aiohttp_max_inflight=20, aiohttp_drain_timeout=0)
    async with serving(driver) as host, host.connected() as client:
        await client.send_frame(*(frames.text(str(number)) for number in range(25)))
        await asyncio.sleep(0.05)
        await client.send_frame(*(frames.text(str(number)) for number in range(5)))
        closed = await client.read_frame()
        assert closed.payload[:2] == TRY_AGAIN_LATER.to_bytes(2, "big")
        await client.send_frame(frames.close(TRY_AGAIN_LATER))
        await eventually(lambda: not driver.bots)
    assert len(logs.matching("run at once", "WARNING")) == 1
    assert len(logs.matching("aiohttp_max_inflight", "WARNING")) == 1


async def test_a_burst_of_events_that_end_at_once_is_not_too_many(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter, aiohttp_max_inflight=5)
    async with serving(driver) as host, host.connected() as client:
        await client.send(b"".join(frames.encode(frames.text("x"), b"mask") for _ in range(500)))
        await eventually(lambda: len(adapter.messages) == 500)
        assert driver.bots


@pytest.mark.promise("strangers: the handlers of one connection are bounded")
async def test_a_forward_websocket_with_too_many_events_in_work_is_closed(logs: Logs) -> None:
    driver = make_driver(slow(), aiohttp_max_inflight=20, aiohttp_drain_timeout=0)
    seen: list[int] = []

    async def script(connection: Connection) -> None:
        await connection.upgrade()
        await connection.send_frame(*(frames.text(str(number)) for number in range(25)))
        await asyncio.sleep(0.05)
        await connection.send_frame(*(frames.text(str(number)) for number in range(5)))
        closed = await connection.read_close()
        seen.append(int.from_bytes(closed.payload[:2], "big"))

    async with WEBSOCKET.running(driver, script):
        await eventually(lambda: logs.matching("aiohttp_max_inflight"))
        await eventually(lambda: seen)
    assert seen[0] == TRY_AGAIN_LATER


# The line for a bot's id


@pytest.mark.promise("strangers: few connections may wait for the id of one bot")
async def test_the_line_for_a_bot_is_short_and_peers_that_have_gone_leave_it(
    adapter: Adapter, logs: Logs
) -> None:
    driver = make_driver(adapter, aiohttp_probe_timeout=60, aiohttp_heartbeat=None)
    async with own_process(driver) as host, host.connected():
        # The first one never answers the probe.
        line = [await host.client() for _ in range(1 + connected.MAX_QUEUE)]
        asking = [asyncio.ensure_future(host.upgrade(client)) for client in line]
        await eventually(lambda: len(adapter.requests) == 1 + len(line))
        async with await host.client() as client:
            assert (await host.upgrade(client)).status == 409
        for client in line[1:]:
            await client.close()
        waiting = driver._connected_bots._queues["1"]
        await eventually(lambda: waiting.length == 0)
        for each in asking:
            each.cancel()
        await line[0].close()
        driver.bots["1"].request.abort("enough")  # type: ignore[attr-defined]
    assert not logs.messages("ERROR")


# What cannot be sent


UNSENDABLE: dict[str, HTTPResponse] = {
    "header 5": HTTPResponse(200, b"", {"x-number": 5}),  # type: ignore[dict-item]
    "header None": HTTPResponse(200, b"", {"x-none": None}),  # type: ignore[dict-item]
    "control": HTTPResponse(200, b"", {"x-control": "a\x01b"}),
    "no encoding": HTTPResponse(200, b"", {"x-text": "\ud800"}),
    "line feed": HTTPResponse(200, b"", {"x-lines": "a\r\nset-cookie: b"}),
    "name": HTTPResponse(200, b"", {"x name": "a"}),
    "status": HTTPResponse("200", b""),  # type: ignore[arg-type]
    "informational": HTTPResponse(101),
    "content": HTTPResponse(200, {"a": 1}),  # type: ignore[arg-type]
}


@pytest.mark.promise("strangers: a response that cannot be sent is a 500")
@pytest.mark.parametrize("what", UNSENDABLE)
@pytest.mark.parametrize("self_id", ["1", None], ids=["taken", "refused"])
async def test_a_response_that_cannot_be_sent_is_500_and_names_its_adapter(
    serving: Serving, logs: Logs, what: str, self_id: str | None
) -> None:
    recorder = answering(self_id, UNSENDABLE[what])
    async with serving(make_driver(recorder)) as host:
        assert (await host.post()).status == 500
        if self_id is None:
            async with await host.client() as client:
                # Servers without the extension of ASGI have a refusal of their own.
                assert (await host.upgrade(client)).status in (500, 403)
    assert recorder.messages == []
    assert len(logs.matching("The adapter recorder has made a response that cannot be sent")) == 1


@pytest.mark.promise("strangers: framing headers are the transport's")
async def test_framing_is_the_transports_business(serving: Serving) -> None:
    """Adapters hand on what another server has answered, and give bodies as text."""
    framing = {
        "Transfer-Encoding": "chunked",
        "Content-Length": "99",
        "Connection": "close",
        "Keep-Alive": "timeout=5",
        "Upgrade": "h2c",
        "X-Kept": "yes",
    }
    body: Any = "body"
    recorder = answering("1", HTTPResponse(200, body, framing))
    async with serving(make_driver(recorder)) as host, await host.client() as client:
        for _ in range(2):
            response = await client.request("POST", f"{host.prefix}/recorder/", BOT, b"event")
            assert (response.status, response.body) == (200, b"body")
            assert response.header_values("Content-Length") == ["4"]
            assert response.header("X-Kept") == "yes"
            for name in ("Transfer-Encoding", "Keep-Alive", "Upgrade"):
                assert not response.header_values(name)


# What is logged


@pytest.mark.promise("strangers: the loggers of libraries are rate-limited")
async def test_aiohttps_loggers_are_limited_while_the_own_process_serves(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("aiohttp.web", "aiohttp.websocket", "aiohttp.internal")
    async with own_process(make_driver(adapter)):
        for name in names:
            for number in range(100):
                logging.getLogger(name).warning("A peer has sent %s", number)
        for _ in range(100):
            logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: 3")
            logging.getLogger("asyncio").error("something else")
    assert len([record for record in caplog.records if record.name in names]) == len(names)
    own = [record.message for record in caplog.records if record.name == "asyncio"]
    assert len(own) == 101
    assert not any(logging.getLogger(name).filters for name in (*names, "asyncio"))


async def test_a_long_header_is_taken_and_a_longer_one_is_not_quoted(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async with own_process(make_driver(adapter)) as host:
        cookie = "token=" + "secret" * 1536
        assert (await host.post(headers={**BOT, "Cookie": cookie})).status == 200
        long = "/recorder/?q=" + "x" * 9 * KIB
        assert (await host.request("POST", long, BOT, b"event")).status == 200
        response = await host.post(headers={**BOT, "Cookie": cookie * 3})
        assert response.status == 400
        response = await host.request("POST", long * 3, BOT, b"event")
        assert response.status in (400, 414)
    assert "secret" not in caplog.text


@pytest.mark.promise("strangers: an encoded slash separates nothing")
@pytest.mark.parametrize(
    "target", ["/recorder%2Fws", "/recorder%2fws/", "/recorder%2F", "/%2Frecorder/"]
)
async def test_an_encoded_slash_separates_nothing(
    serving: Serving, adapter: Adapter, target: str
) -> None:
    async with serving(make_driver(adapter)) as host:
        assert (await host.request("POST", target, BOT, b"event")).status == 404
        async with await host.client() as client:
            assert (await host.upgrade(client, target=target)).status in (404, 403)
    assert adapter.requests == []
