"""Tests that the kit's platform leaves nothing behind, however its block ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
import threading
import warnings
from collections.abc import AsyncIterator

import aiohttp
import pytest

from nonebot_aiohttp.testing import Hang, Platform
from tests.support.client import RawClient
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops


def _state() -> tuple[object, ...]:
    """Return what a platform could leave in this process."""
    gc.collect()
    threads = {thread.name for thread in threading.enumerate()}
    descriptors = len(os.listdir("/dev/fd")) if os.name == "posix" else 0
    # The checks for leaks leave out what is the kit's own, which this is about.
    clients = [
        each
        for each in gc.get_objects()
        if issubclass(type(each), aiohttp.ClientSession | aiohttp.BaseConnector) and not each.closed
    ]
    return threads, descriptors, len(clients)


@pytest.fixture
async def unchanged() -> AsyncIterator[None]:
    """Fail if a thread, a descriptor, a socket or a session is left, or if there was a warning."""
    # What a loop opens once, it keeps.
    async with Platform() as platform:
        await _use(platform)
    before = _state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        with contextlib.suppress(AssertionError):
            await eventually(lambda: _state() == before, 5)
        assert _state() == before


async def _use(platform: Platform) -> None:
    """Have all kinds of connections, some of which nobody ends."""
    platform.on("GET", "/x").reply(json={}).fail(Hang(), optional=True)
    platform.websocket("/ws")
    # The other resolver of aiohttp leaves a thread.
    connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(platform.url + "/x") as got:
            assert got.status == 200
        async with session.ws_connect(platform.ws_url + "/ws") as ws:
            await (await platform.connected()).send("hello")
            assert await ws.receive_str() == "hello"


async def test_an_ordinary_block(unchanged: None) -> None:
    async with Platform() as platform:
        await _use(platform)


async def test_connections_that_are_open_at_the_end(unchanged: None) -> None:
    async with Platform(tls=True, hosts=("a.example",), allow_unused=True) as platform:
        ca_file = platform.environment["SSL_CERT_FILE"]
        clients = [await RawClient.connect(platform.port) for _ in range(3)]
        proxied = await RawClient.connect(int(platform.environment["http_proxy"].split(":")[-1]))
        assert os.path.exists(ca_file)  # noqa: ASYNC240 -- it takes no time.
    assert not os.path.exists(ca_file)  # noqa: ASYNC240
    for client in [*clients, proxied]:
        assert await client.read_to_end() == b""
        await client.close()


async def test_a_bot_that_waits_is_let_go(unchanged: None) -> None:
    async with Platform() as platform:
        platform.updates("GET", "/updates")
        async with await RawClient.connect(platform.port) as client:
            await client.send_request("GET", "/updates")
            await platform.expect("GET", "/updates")


async def test_a_block_that_raises(unchanged: None) -> None:
    async def test() -> None:
        async with Platform() as platform:
            await _use(platform)
            raise KeyError

    with pytest.raises(KeyError):
        await test()


def test_a_block_without_a_loop() -> None:
    before = _state()
    with Platform() as platform, socket.create_connection(("127.0.0.1", platform.port)) as client:
        platform.on("GET", "/x").reply(text="hello")
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := client.recv(1000):
            data += piece
    assert data.endswith(b"\r\n\r\nhello")
    assert _state() == before


async def test_a_start_without_trustme(unchanged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "nonebot-aiohttp\[testing\]"'):
        await Platform(tls=True).__aenter__()


async def test_a_start_that_fails_half_way(
    unchanged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("no port is free")

    monkeypatch.setattr("nonebot_aiohttp.testing.wire.listeners.Listener.open", fail)
    with pytest.raises(OSError, match="no port is free"):
        await Platform().__aenter__()


async def test_a_port_that_was_taken_while_the_platform_was_down(unchanged: None) -> None:
    async with Platform() as platform:
        await platform.stop()
        reserved, platform._plain._reserved = platform._plain._reserved, None
        assert reserved is not None
        reserved.listen()
        with pytest.raises(OSError, match=r"(?i)address"):
            await platform.start()
        reserved.close()
        await platform.start()
        await _use(platform)


async def test_a_restart_keeps_the_port(unchanged: None) -> None:
    async with Platform() as platform:
        port = platform.port
        async with await RawClient.connect(port) as client:
            await platform.restart()
            assert await client.read_to_end() == b""
        assert platform.port == port
        restarting = asyncio.create_task(platform.restart(after=0.2))
        await eventually(lambda: platform._plain._reserved)
        with pytest.raises(ConnectionRefusedError):
            await RawClient.connect(port)
        await restarting
        await _use(platform)


async def test_two_hundred_platforms_one_after_the_other(unchanged: None) -> None:
    for _ in range(200):
        async with Platform() as platform, await RawClient.connect(platform.port) as client:
            platform.on("GET", "/").reply(json={})
            assert (await client.request("GET", "/")).status == 200


async def test_out_of_its_block_a_platform_says_so(unchanged: None) -> None:
    platform = Platform()
    with pytest.raises(RuntimeError, match="no port before its block"):
        platform.url  # noqa: B018
    with pytest.raises(RuntimeError, match="the platform does not run"):
        await platform.post("http://127.0.0.1:1/", json={})
    platform.updates("GET", "/x").put({"id": 1})
    async with platform:
        pass
    with pytest.raises(RuntimeError, match="the platform does not run"):
        await platform.stop()
    with pytest.raises(RuntimeError, match="one block"):
        await platform.__aenter__()


async def test_a_webhook_that_was_cancelled_leaves_nothing(unchanged: None) -> None:
    async with Platform() as platform, Platform(allow_unexpected=True) as bot:
        bot.on("POST", "/hook").fail(Hang())
        posting = asyncio.create_task(platform.post(bot.url + "/hook", json={}))
        await bot.expect("POST", "/hook")
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("_", range(2))
async def test_a_loop_of_the_whole_module(_: int) -> None:
    async with Platform() as platform:
        await _use(platform)
