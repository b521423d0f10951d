"""Answers of polls: compressed ones, those that are cut off, and long heads."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import aiohttp
import pytest

from nonebot_aiohttp.forward.encodings import CHUNK_SIZE, decode
from tests.support import scripts
from tests.support.bots import Adapter
from tests.support.clock import FakeClock
from tests.support.forward import POLLING, clocked_driver, warnings
from tests.support.logs import Logs
from tests.support.server import Script, ScriptedServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

EVENT = b'{"event": "' + b"x" * 1000 + b'"}'


def gzipped(data: bytes) -> bytes:
    """Compress, always the same way."""
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    """Compress without the head that `deflate` has to have."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def encoded(encoding: str, body: bytes) -> Script:
    """Answer with a body as it is, and close."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
    return scripts.raw(head.encode() + body)


async def poll(
    script: Script, clock: FakeClock, adapter: Adapter, **settings: Any
) -> ScriptedServer:
    """Let one poll be answered."""
    async with ScriptedServer(script) as server:
        driver = clocked_driver(clock, adapter, **settings)
        POLLING.add(driver, POLLING.setup(POLLING.url(server)))
        async with driver.lifespan():
            await clock.slept(1)
        return server


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzipped(EVENT)),
        ("GZIP", gzipped(EVENT)),
        ("x-gzip", gzipped(EVENT[:100]) + gzipped(EVENT[100:])),
        ("gzip", gzipped(EVENT) + bytes(512)),
        ("deflate", zlib.compress(EVENT)),
        ("deflate", raw_deflate(EVENT)),
        ("identity", EVENT),
        ("deflate, gzip", gzipped(zlib.compress(EVENT))),
    ],
)
async def test_a_compressed_answer_is_an_event(
    encoding: str, body: bytes, fake_clock: FakeClock, adapter: Adapter
) -> None:
    server = await poll(encoded(encoding, body), fake_clock, adapter)
    assert adapter.messages == [EVENT]
    assert server.attempts[0].request.header("Accept-Encoding") == "gzip, deflate"


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("gzip", gzipped(EVENT)[:-9], "the answer's gzip is cut off"),
        # Nothing but the check sum is missing.
        ("gzip", gzipped(EVENT)[:-1], "the answer's gzip is cut off"),
        ("gzip", gzipped(EVENT) + gzipped(EVENT)[:9], "gzip is cut off"),
        ("gzip", gzipped(EVENT) + b"garbage", "the answer is not valid gzip"),
        ("gzip", EVENT, "the answer is not valid gzip"),
        ("deflate", zlib.compress(EVENT)[:-2], "the answer's deflate is cut off"),
        ("br", b"\x1b", "encoded as 'br', and only gzip, deflate can"),
    ],
)
async def test_one_that_is_cut_off_is_a_failed_poll(
    encoding: str, body: bytes, expected: str, fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    """Trap: aiohttp takes a gzip body that is cut off for a whole one."""
    await poll(encoded(encoding, body), fake_clock, adapter)
    assert not adapter.messages
    (line,) = warnings(logs)
    assert f"ClientPayloadError: {expected}" in line or expected in line


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", "GZIP;q=0.8"),
        ("identity", "identity"),
        ("br", "identity"),
    ],
)
async def test_a_setup_asks_for_what_can_be_decoded(
    wanted: str, expected: str, fake_clock: FakeClock, adapter: Adapter
) -> None:
    """Headers are copied from browsers."""
    async with ScriptedServer(scripts.status(200, EVENT)) as server:
        driver = clocked_driver(fake_clock, adapter)
        headers = {"accept-encoding": wanted}
        POLLING.add(driver, POLLING.setup(POLLING.url(server), headers=headers))
        async with driver.lifespan():
            await eventually(lambda: adapter.messages)
        assert server.attempts[0].request.header("Accept-Encoding") == expected


@pytest.mark.parametrize("size", [2000, 2001, 50 * CHUNK_SIZE])
async def test_the_limit_counts_for_what_is_decoded(
    size: int, fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    body = gzipped(b"x" * size)
    await poll(encoded("gzip", body), fake_clock, adapter, max_body_size=2000)
    assert len(adapter.messages) == (size == 2000)
    assert len(logs.matching("larger than 2000 bytes", "WARNING")) == (size > 2000)


async def test_an_encoding_of_nothing_is_nothing(fake_clock: FakeClock, adapter: Adapter) -> None:
    script = scripts.status(200, b"", {"Content-Encoding": "gzip"})
    await poll(script, fake_clock, adapter)
    assert adapter.messages == [b""]


async def test_decoding_takes_many_lots() -> None:
    data = bytes(range(256)) * (3 * CHUNK_SIZE // 256)
    assert await decode("gzip", gzipped(data), len(data)) == data
    with pytest.raises(aiohttp.ClientPayloadError, match="larger"):
        await decode("gzip", gzipped(data), len(data) - 1)


@pytest.mark.parametrize("name", ["Set-Cookie", "X-Long"])
async def test_an_answer_may_have_a_long_head(
    name: str, fake_clock: FakeClock, adapter: Adapter
) -> None:
    """Trap: aiohttp takes 8,190 bytes a line, which fails for ever where a platform has more."""
    script = scripts.status(200, EVENT, {name: "x=" + "y" * 60_000})
    await poll(script, fake_clock, adapter)
    assert adapter.messages == [EVENT]


async def test_a_longer_one_is_a_failed_poll(
    fake_clock: FakeClock, adapter: Adapter, logs: Logs
) -> None:
    script = scripts.status(200, EVENT, {"X-Long": "y" * 70_000})
    await poll(script, fake_clock, adapter)
    assert not adapter.messages
    await eventually(lambda: warnings(logs))
