"""Floods to the operators' port: wrong tokens, and requests that are bent at random."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc

import pytest

from tests.support.bots import Adapter
from tests.support.client import RawClient
from tests.support.hosts import own_process
from tests.support.logs import Logs
from tests.support.operated import (
    BEARER,
    DETAILS,
    GUARDED,
    PLACES,
    TOKEN,
    ask,
    head,
    mounted,
    operated,
    port_of,
    send,
    statuses,
)
from tests.support.waiting import passes

WRONG = "Wr0ng-but-just-as-long-as-the"


@pytest.mark.promise("operations: a flood of wrong tokens takes few lines and no memory")
async def test_a_flood_of_wrong_tokens(adapter: Adapter, logs: Logs) -> None:
    driver = operated(adapter)

    async def flood(number: int) -> None:
        async with await RawClient.connect(port_of(driver)) as client:
            for turn in range(100):
                wrong = {"Host": "localhost", "Authorization": f"Bearer {number}-{turn}-{WRONG}"}
                assert (await client.request("GET", f"/status?{turn}", wrong)).status == 401

    async def memory_after(floods: int) -> int:
        await asyncio.gather(*map(flood, range(floods)))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    async with own_process(driver):
        tracemalloc.start()
        try:
            grown = -await memory_after(10) + await memory_after(20)
        finally:
            tracemalloc.stop()
        assert grown < 500_000
        assert (await ask(port_of(driver), "/status", BEARER)).status == 200
    # One in ten seconds, and a slow machine takes longer than that.
    lines = logs.matching("its token is wrong", "WARNING")
    assert 1 <= len(lines) <= 5
    assert lines[0].message == (
        "Refused a request of operators from 127.0.0.1 with 401: its token is wrong"
    )
    assert WRONG not in logs.output
    assert TOKEN not in logs.output


async def test_nothing_is_logged_of_what_shows_no_token(adapter: Adapter, logs: Logs) -> None:
    """A browser asks without at first; and probes of a wrong name come every second."""
    driver = operated(adapter)
    async with own_process(driver):
        before = len(logs)
        for headers in ({}, {"Authorization": "Basic ="}, {"Host": "evil.example"}):
            await ask(port_of(driver), "/status", headers)
        assert len(logs) == before


@pytest.mark.promise("operations: requests that come all at once leave the event loop to others")
@pytest.mark.parametrize("path", ["/livez", "/status", "/nothing"])
async def test_requests_that_come_all_at_once(path: str, adapter: Adapter) -> None:
    number = 200
    async with mounted(operated(adapter)) as (port, prefix):
        async with await RawClient.connect(port) as client:
            request = f"GET {prefix}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            with passes() as counted:
                await client.send(request * number)
                for _ in range(number):
                    await client.read_response()
        assert counted[0] >= number


CHUNKS = [
    b"Authorization: Bearer ",
    b"Authorization: Basic Og==",
    b"Host: localhost",
    b"Host: evil.example",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b" ",
    b"\t",
    b":",
    b"/",
    b"/livez",
    b"/readyz",
    b"/status",
    b"/metrics",
    b"?bots=1",
    b"..",
    b"%2e",
    b"%2f",
    b"GET",
    b"HEAD",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Connection: keep-alive",
    b"Upgrade: websocket",
]
"""What is put into requests."""

EXPECTED = {100, 200, 400, 401, 404, 405, 417, 421}

BENT = 400
"""Requests in one test; each takes a connection."""


def bend(request: bytes, rand: random.Random) -> bytes:
    """Take something out of a request, and put something into it, some times."""
    for _ in range(rand.randint(1, 4)):
        start = rand.randrange(len(request) + 1)
        end = min(start + rand.choice([0, 0, 1, 5, 20]), len(request))
        request = request[:start] + rand.choice(CHUNKS) + request[end:]
    return request


@pytest.mark.parametrize("seed", range(3))
async def test_no_bent_request_gets_in(adapter: Adapter, seed: int) -> None:
    rand, driver, answered = random.Random(seed), operated(adapter), 0
    wrong = f"Authorization: Bearer {WRONG}"
    async with own_process(driver):
        for _ in range(BENT):
            path = rand.choice(["/livez", *GUARDED])
            sent = bend(head("GET", path, *[wrong] * rand.randint(0, 1)), rand)
            async with await RawClient.connect(port_of(driver)) as client:
                await client.send(sent)
                reading = asyncio.ensure_future(client.read_to_end())
                # For what is not a whole request no answer comes.
                await asyncio.wait({reading}, timeout=0.02)
                if not client.is_closing:
                    client.end_writing()
                answer = await reading
            assert not DETAILS.search(answer), sent
            assert set(statuses(answer)) <= EXPECTED, (sent, answer)
            answered += bool(statuses(answer))
        assert answered > BENT / 10
        assert (await ask(port_of(driver), "/status", BEARER)).status == 200


MALFORMED = [
    b"\x16\x03\x01\x02\x00\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: made-up\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost:99999\r\nConnection: close\r\n\r\n",
    b"GET //[made-up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
]


@pytest.mark.parametrize("name", ["its port", "lifespan()"])
async def test_malformed_requests_are_one_line_at_most(
    name: str, adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async with PLACES[name](operated(adapter)) as (port, _):
        for data in MALFORMED * 10:
            assert not DETAILS.search(await send(port, data))
    texts = [record.getMessage() for record in caplog.records if record.exc_info is None]
    assert len(texts) == len(caplog.records)
    assert len(texts) <= len(MALFORMED)
    assert "made-up" not in caplog.text
