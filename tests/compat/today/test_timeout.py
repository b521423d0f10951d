"""Timeouts: a number, a `Timeout`, none at all, and not given."""

import asyncio
import sys
from typing import Any

import pytest
from aiohttp import web
from nonebot.drivers import Request
from nonebot.internal import driver as models

from ..support.network import timing_out, unanswering
from ..support.recorder import Recorder

SHORT = 0.25
LONGER = 0.7
"""Seconds that a stalled answer takes where it is to be waited for."""

GENEROUS = 5.0
"""Seconds of limits that are not to strike."""


@pytest.fixture
def stalled(recorder: Recorder) -> str:
    """The URL of an answer that does not come before `Recorder.release` is set."""
    recorder.stall("/stalled", "at last")
    return recorder.url("/stalled")


@pytest.fixture
def trickling(recorder: Recorder) -> str:
    """The URL of an answer that takes longer than a second, and little between its bytes."""

    @recorder.answer("/trickling")
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(30):
            await response.write(b".")
            await asyncio.wait({asyncio.ensure_future(recorder.release.wait())}, timeout=0.05)
        return response

    return recorder.url("/trickling")


def release_later(recorder: Recorder) -> None:
    """Let the stalled answer go on when a short timeout would have struck."""
    asyncio.get_running_loop().call_later(LONGER, recorder.release.set)


def short_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that NoneBot gives to requests without a timeout."""
    monkeypatch.setattr(models.DEFAULT_TIMEOUT, "read", SHORT)


async def test_number(driver: Any, stalled: str) -> None:
    with timing_out():
        await driver.request(Request("GET", stalled, timeout=SHORT))


@pytest.mark.needs_nonebot("2.5")
async def test_number_is_no_limit_of_the_whole(driver: Any, trickling: str) -> None:
    response = await driver.request(Request("GET", trickling, timeout=1.0))
    assert response.content == b"." * 30


@pytest.mark.needs_nonebot("2.4.3")
async def test_read(driver: Any, stalled: str) -> None:
    timeout = models.Timeout(total=None, read=SHORT, connect=GENEROUS)
    with timing_out():
        await driver.request(Request("GET", stalled, timeout=timeout))


@pytest.mark.needs_nonebot("2.4.3")
@pytest.mark.stock_is_wrong("httpx", "it raises ValueError where not all are given")
async def test_read_alone(driver: Any, stalled: str) -> None:
    with timing_out():
        await driver.request(Request("GET", stalled, timeout=models.Timeout(read=SHORT)))


@pytest.mark.needs_nonebot("2.4.3")
@pytest.mark.stock_is_wrong("httpx", "it has no limit of the whole, and divides it by four")
async def test_total(driver: Any, trickling: str) -> None:
    with timing_out():
        await driver.request(Request("GET", trickling, timeout=models.Timeout(total=SHORT)))


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue drops attempts only there")
@pytest.mark.needs_nonebot("2.4.3")
async def test_connect(driver: Any) -> None:
    with unanswering() as port:
        timeout = models.Timeout(total=None, connect=SHORT, read=30)
        request = Request("GET", f"http://127.0.0.1:{port}/", timeout=timeout)
        with timing_out():
            await driver.request(request)


@pytest.mark.needs_nonebot("2.5")
@pytest.mark.stock_is_wrong("httpx", "without a timeout it waits for ever")
async def test_not_given_is_the_default(
    driver: Any, stalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_default(monkeypatch)
    with timing_out():
        await driver.request(Request("GET", stalled))


@pytest.mark.needs_nonebot("2.5")
async def test_none_is_no_limit(
    driver: Any, recorder: Recorder, stalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_default(monkeypatch)
    release_later(recorder)
    response = await driver.request(Request("GET", stalled, timeout=None))
    assert response.content == b"at last"


@pytest.mark.needs_nonebot("2.5")
async def test_read_of_none_is_no_limit(
    driver: Any, recorder: Recorder, stalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_default(monkeypatch)
    release_later(recorder)
    timeout = models.Timeout(total=None, connect=5.0, read=None)
    response = await driver.request(Request("GET", stalled, timeout=timeout))
    assert response.content == b"at last"


@pytest.mark.needs_nonebot("2.5")
async def test_session(driver: Any, stalled: str) -> None:
    async with driver.get_session(timeout=SHORT) as session:
        with timing_out():
            await session.request(Request("GET", stalled))


@pytest.mark.needs_nonebot("2.5")
@pytest.mark.parametrize("own", [None, GENEROUS], ids=["none", "number"])
async def test_request_before_session(
    driver: Any, recorder: Recorder, stalled: str, own: float | None
) -> None:
    release_later(recorder)
    async with driver.get_session(timeout=SHORT) as session:
        response = await session.request(Request("GET", stalled, timeout=own))
    assert response.content == b"at last"


@pytest.mark.needs_nonebot("2.4.3")
async def test_stream(driver: Any, recorder: Recorder) -> None:
    @recorder.answer("/half")
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"12")
        await recorder.release.wait()
        return response

    timeout = models.Timeout(total=None, read=SHORT, connect=5)
    request = Request("GET", recorder.url("/half"), timeout=timeout)
    stream = driver.stream_request(request, chunk_size=2)
    assert (await stream.__anext__()).content == b"12"
    with timing_out():
        await stream.__anext__()
