"""Requests under each host, compared with the table of docs/hosts.md."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from nonebot_aiohttp.life.waiting import settle as settle_task
from tests.process.conftest import Launch
from tests.process.hosts import HOSTS, Host
from tests.process.observing import check, post
from tests.process.programs import Program
from tests.support.client import RawClient
from tests.support.deaf import deaf_client, send_until_dropped
from tests.support.frames import Frame, Opcode, close, text
from tests.support.waiting import eventually
from tests.support.wire import Response

LIMITS: dict[str, Any] = {
    "aiohttp_max_body_size": 1000,
    # Small bodies have the same amount besides.
    "aiohttp_max_body_memory": 600,
    "aiohttp_max_message_size": 1000,
    "aiohttp_keepalive_timeout": 0.5,
    "aiohttp_heartbeat": 1.0,
}

PATIENCE = 3.0
"""Seconds within which a host drops a peer if it does so at all."""


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    found: Host = request.param
    return found


@pytest.fixture(scope="module")
def program(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Run a host with limits that are easily met, and pings that come soon."""
    program = Program(tmp_path_factory.mktemp("hosted"), host, **LIMITS)
    yield program
    program.kill()


@pytest.fixture
async def client(program: Program) -> AsyncIterator[RawClient]:
    async with await RawClient.connect(program.port) as client:
        yield client


async def upgrade(client: RawClient, host: Host, self_id: str | None) -> Response:
    headers = {"X-Self-ID": self_id} if self_id else {}
    return await client.upgrade(f"{host.prefix}/platform/ws", headers)


@pytest.mark.promise("reverse: the check comes before the upgrade, and a refusal is a response")
async def test_refused_handshake(host: Host, client: RawClient) -> None:
    response = await upgrade(client, host, None)
    check("refusal", host, (response.status, response.body) == (418, b"who are you?"))


@pytest.mark.promise("webhook: our own limit bounds the body under every host")
async def test_body_over_the_limit(host: Host, client: RawClient) -> None:
    status = (await post(client, host, b"1" * 1001)).status
    check("body limit", host, status == 413)


async def test_bodies_that_do_not_end(host: Host, program: Program) -> None:
    clients = [await RawClient.connect(program.port) for _ in range(3)]
    head = {"X-Self-ID": "1", "Content-Length": "901"}
    event = b'{"do": "note", "id": "late"}'.ljust(901)
    for client in clients:
        await client.send_request("POST", f"{host.prefix}/platform", head, event[:500])
    answers = [asyncio.ensure_future(client.read_response()) for client in clients]
    done, _ = await asyncio.wait(answers, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    check("body memory", host, [each.result().status for each in done] == [503])
    for each in answers:
        await settle_task(each)
    for client in clients:
        await client.send(event[500:])
        await client.close()


async def test_response_that_cannot_be_sent(host: Host, client: RawClient) -> None:
    status = (await post(client, host, b"1", X_Answer="unsendable")).status
    check("sendable", host, status == 500)


async def test_encoded_slash(host: Host, client: RawClient) -> None:
    head = {"X-Self-ID": "1"}
    response = await client.request("POST", f"{host.prefix}/platform%2Fhttp", head, b"1")
    check("encoded slash", host, response.status == 404)


async def test_answers_that_nobody_reads(host: Host, program: Program) -> None:
    request = f"POST {host.prefix}/platform HTTP/1.1\r\nHost: a\r\nX-Answer: long\r\n"
    async with deaf_client(program.port) as raw:
        sending = asyncio.ensure_future(
            send_until_dropped(raw, f"{request}Content-Length: 0\r\n\r\n".encode())
        )
        await asyncio.wait({sending}, timeout=PATIENCE)
        check("unread", host, sending.done())
        await settle_task(sending)


@pytest.mark.promise("webhook: the body is the raw bytes")
async def test_compressed_body(host: Host, program: Program, client: RawClient) -> None:
    event = gzip.compress(b'{"do": "note", "id": "zipped"}')
    before = program.journal.count("handled zipped")
    assert (await post(client, host, event, Content_Encoding="gzip")).status == 200
    # A bot that gets the body as it was sent cannot read it as JSON, and its failure is logged.
    await eventually(
        lambda: (
            program.journal.count("handled zipped") > before
            or re.search(r"A handler of bot \S+ of platform failed", program.log)
        )
    )
    check("raw body", host, program.journal.count("handled zipped") == before)


async def test_message_over_the_limit(host: Host, program: Program, client: RawClient) -> None:
    assert (await upgrade(client, host, "large")).status == 101
    closing = asyncio.create_task(client.read_close())
    await client.send_frame(text('{"do": "note", "id": "large"}'.ljust(1001)))
    await eventually(lambda: closing.done() or program.handled()["large"])
    if not closing.done():
        await client.send_frame(close())
    code = (await closing).close_code
    check("frame limit", host, code == 1009)


@pytest.mark.promise("reverse: invalid UTF-8 closes with 1007")
async def test_invalid_utf8_in_a_text_message(host: Host, client: RawClient) -> None:
    assert (await upgrade(client, host, "garbled")).status == 101
    await client.send_frame(Frame(Opcode.TEXT, b"\xff\xfe"))
    try:
        code = (await client.read_close()).close_code
    except asyncio.IncompleteReadError:
        code = None
    check("invalid text", host, code == 1007)


@pytest.mark.promise("reverse: a half-open peer is gone within a bounded time")
async def test_heartbeat(host: Host, client: RawClient) -> None:
    assert (await upgrade(client, host, "silent")).status == 101
    # The driver's pings come after a second, the servers' own after twenty at the earliest.
    client.patience = 5.0
    try:
        pinged = (await client.read_frame()).opcode == Opcode.PING
    except AssertionError:
        pinged = False
    check("heartbeat", host, pinged)


@pytest.mark.promise("reverse: a second connection waits for a probe of the first")
async def test_second_connection_of_a_bot(host: Host, program: Program) -> None:
    async with (
        await RawClient.connect(program.port) as old,
        await RawClient.connect(program.port) as new,
    ):
        assert (await upgrade(old, host, "twice")).status == 101
        reading = asyncio.create_task(old.read_message())
        status = (await upgrade(new, host, "twice")).status
        await settle_task(reading)
    assert status in (101, 409)
    check("probe", host, status == 409)


@pytest.mark.promise("life: exit() and both signals stop")
async def test_exit_from_code(host: Host, launch: Launch) -> None:
    # Not the program that the other tests share, because its own process would end.
    program = launch(host)
    async with await RawClient.connect(program.port) as client:
        assert (await post(client, host, b'{"do": "exit"}')).status == 200
    await eventually(
        lambda: program.process.poll() is not None or "exit() stops" in program.log, 10
    )
    if program.process.poll() is None:
        async with await RawClient.connect(program.port) as client:
            assert (await post(client, host, b'{"do": "note", "id": "later"}')).status == 200
    check("exit", host, program.process.poll() == 0)
