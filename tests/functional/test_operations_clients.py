"""Clients of the operators' port that do not leave, or never finish what they send."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import aiohttp
import pytest

from nonebot_aiohttp import Driver
from nonebot_aiohttp.operations import Status, listener
from nonebot_aiohttp.testing.bots.leaks import open_sockets
from tests.support.bots import Adapter
from tests.support.client import RawClient
from tests.support.hosts import own_process
from tests.support.logs import Logs
from tests.support.operated import BEARER, PLACES, TOKEN, ask, head, operated, port_of
from tests.support.waiting import eventually, settle, within

pytestmark = pytest.mark.both_loops

AIOHTTP = tuple(map(int, re.findall(r"\d+", aiohttp.__version__)[:3]))

LEFT_OPEN = [b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"]
if AIOHTTP >= (3, 14, 4):
    LEFT_OPEN += [b"", b"GET /li"]


@pytest.mark.promise("operations: no client of the operators' port delays the stop")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /li",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Header: ",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "half a line", "half a head", "kept alive", "half a body", "half a chunk"],
)
@pytest.mark.parametrize("name", ["its port", "lifespan()"])
async def test_a_client_that_stays_does_not_delay_the_stop(
    name: str, sent: bytes, adapter: Adapter, logs: Logs
) -> None:
    driver = operated(adapter)
    loop = asyncio.get_running_loop()
    async with PLACES[name](driver) as (port, _):
        client = await RawClient.connect(port)
        if sent:
            await client.send(sent)
        await ask(port, "/livez")
        began = loop.time()
    assert loop.time() - began < 3
    await client.read_to_end()
    await client.close()
    assert not logs.matching("that had not ended")
    assert not logs.messages("ERROR")


async def test_a_page_that_is_being_made_does_not_delay_the_stop(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    driver, asked = operated(adapter), asyncio.Event()

    async def hang(**_: bool) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(driver._operations.observer, "current", hang)
    loop = asyncio.get_running_loop()
    async with own_process(driver):
        asking = asyncio.ensure_future(ask(port_of(driver), "/status", BEARER))
        await within(asked.wait())
        began = loop.time()
    assert loop.time() - began < 3
    await asyncio.gather(asking, return_exceptions=True)
    assert not logs.messages("ERROR")


@pytest.mark.promise("operations: idle and unfinished connections to the operators' port end")
@pytest.mark.parametrize("sent", LEFT_OPEN)
async def test_idle_connections_are_closed(
    sent: bytes, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "KEEPALIVE", 0.1)
    driver = operated(adapter)
    async with own_process(driver):
        port = port_of(driver)
        clients = [await RawClient.connect(port) for _ in range(50)]
        for client in clients:
            await client.send(*filter(None, [sent]))
        for client in clients:
            await client.read_to_end()
            await client.close()
        assert (await ask(port, "/livez")).status == 200


def answer_with_much(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(driver.status(), refused={"x" * (1 << 25): 1})

    async def current(**_: bool) -> Status:
        return large

    monkeypatch.setattr(driver._operations.observer, "current", current)


@pytest.mark.parametrize("name", ["its port", "lifespan()"])
async def test_a_client_that_does_not_read_is_dropped_at_the_stop(
    name: str, adapter: Adapter, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    driver = operated(adapter)
    answer_with_much(driver, monkeypatch)
    loop = asyncio.get_running_loop()
    async with PLACES[name](driver) as (port, _):
        client = await RawClient.connect(port)
        client.stop_reading()
        await client.send(head("GET", "/status", f"Authorization: Bearer {TOKEN}"))
        await ask(port, "/livez")
        began = loop.time()
    assert loop.time() - began < 3
    await settle()
    sockets = open_sockets().values()
    assert not [each for each in sockets if f"at 127.0.0.1:{port}," in f"{each},"]
    client.abort()
    await client.close()
    assert not logs.messages("ERROR")


@pytest.mark.promise("operations: a client of operators that never reads is dropped")
async def test_a_client_that_never_reads_is_dropped(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = operated(adapter, keepalive_timeout=0.2)
    answer_with_much(driver, monkeypatch)
    async with own_process(driver):
        client = await RawClient.connect(port_of(driver))
        client.stop_reading()
        await client.send(head("GET", "/status", f"Authorization: Bearer {TOKEN}"))
        await eventually(driver._operations.listener.transports)
        await eventually(lambda: not driver._operations.listener.transports())
        client.abort()
        await client.close()
