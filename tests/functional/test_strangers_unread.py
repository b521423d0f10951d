"""Peers that take nothing of what is sent to them are dropped, and slow ones are not."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from nonebot_aiohttp import DriverOptions, HTTPResponse, WebSocketClosed
from nonebot_aiohttp.connections.unsent import UNKNOWN_FACTOR, UnsentWatch, Watched
from nonebot_aiohttp.reverse.aiohttp_transport import MOST_SEEN
from tests.support import frames
from tests.support.bots import Adapter, answering, make_driver
from tests.support.clock import FakeClock
from tests.support.deaf import deaf_client, send_until_dropped
from tests.support.hosts import Serving
from tests.support.logs import Logs
from tests.support.sides import Side, blocked
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops

BOT = {"X-Self-ID": "1"}
KIB = 1024


VERBOSE = HTTPResponse(403, b"no" * 32 * KIB)


@pytest.mark.promise("strangers: a peer that never reads is dropped")
async def test_a_peer_that_pipelines_and_never_reads_is_dropped(
    serving: Serving, logs: Logs
) -> None:
    driver = make_driver(
        answering(None, VERBOSE), aiohttp_keepalive_timeout=0.4, aiohttp_heartbeat=None
    )
    async with serving(driver) as host:
        if host.transport == "asgi":
            pytest.skip("the server's own business")
        async with deaf_client(host.port) as raw:
            path = f"{host.prefix}/recorder/".encode()
            request = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
            await within(send_until_dropped(raw, request))
        assert (await host.post()).status == 403
    (line,) = logs.matching("aiohttp_keepalive_timeout", "WARNING")
    assert "127.0.0.1" in line.message


async def test_a_connection_that_aiohttp_has_forgotten_with_unread_answers_is_dropped(
    serving: Serving, logs: Logs
) -> None:
    """Trap: aiohttp closes an idle connection, forgets it, and its transport waits for ever."""
    driver = make_driver(answering(None, VERBOSE), aiohttp_keepalive_timeout=0.4)
    async with serving(driver) as host:
        if host.transport == "asgi":
            pytest.skip("the server's own business")
        async with deaf_client(host.port) as raw:
            loop = asyncio.get_running_loop()
            head = f"POST {host.prefix}/recorder/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
            transports = driver._host.transports
            # So many that the handlers are done, and something is unsent.
            while not any(each and each.get_write_buffer_size() for each in transports()):
                await loop.sock_sendall(raw, f"{head}\r\n".encode())
                await asyncio.sleep(0.02)
            (transport,) = (each for each in transports() if each)
            await eventually(lambda: not transport.get_write_buffer_size())
            with pytest.raises(ConnectionResetError):
                await read_all(raw)
    assert logs.matching("aiohttp_keepalive_timeout", "WARNING")


async def test_connections_of_other_hosts_are_forgotten_when_they_have_gone(
    serving: Serving, adapter: Adapter
) -> None:
    driver = make_driver(adapter)
    transport = driver._host._transport
    async with serving(driver) as host:
        for _ in range(3 * MOST_SEEN):
            async with await host.client() as client:
                await client.request("POST", f"{host.prefix}/recorder/ws", BOT)
        assert len(transport._seen) <= MOST_SEEN + 1


async def test_the_watch_goes_on_after_a_failure(logs: Logs) -> None:
    watch, looks = UnsentWatch(DriverOptions(keepalive_timeout=0.04)), list[int]()

    def source() -> list[Watched]:
        looks.append(1)
        raise RuntimeError

    watch._sources.append(source)
    watch.start()
    await eventually(lambda: len(looks) > 2)
    watch.stop()
    assert logs.matching("Looking after unsent bytes failed", "ERROR")


async def read_all(raw: socket.socket) -> None:
    """Read until the end, which may be a reset."""
    while await asyncio.get_running_loop().sock_recv(raw, 1 << 20):
        pass


@pytest.mark.promise("strangers: a peer that never reads is dropped")
async def test_a_websocket_whose_peer_takes_nothing_is_dropped(
    side: Side, fake_clock: FakeClock, logs: Logs
) -> None:
    async with blocked(side) as (ends, senders):
        watch = UnsentWatch(DriverOptions(heartbeat=30), fake_clock.clock)
        watch.add_websockets([ends.socket])
        # The kernel takes a moment to fill its own buffers.
        await asyncio.sleep(0.2)
        await watch.look()
        await fake_clock.advance(29)
        # A peer that sends need not read.
        await ends.peer.send_frame(frames.text("still talking"))
        await watch.look()
        assert not ends.socket.closed
        await fake_clock.advance(2)
        await watch.look()
        assert ends.socket.closed
        results = await within(asyncio.gather(*senders, return_exceptions=True))
        assert all(isinstance(result, WebSocketClosed) for result in results)
    assert len(logs.matching("read nothing of what was sent for 30 s (aiohttp_heartbeat)")) == 1


@pytest.mark.promise("strangers: a peer that never reads is dropped")
async def test_a_peer_that_reads_slowly_keeps_its_connection(
    side: Side, fake_clock: FakeClock
) -> None:
    async with blocked(side) as (ends, _):
        watch = UnsentWatch(DriverOptions(heartbeat=30), fake_clock.clock)
        watch.add_websockets([ends.socket])
        ends.peer.read_again()
        for _ in range(10):
            await watch.look()
            await fake_clock.advance(20)
            for _ in range(8):
                await within(ends.peer.reader.readexactly(64 * KIB))
        assert not ends.socket.closed


@pytest.mark.parametrize("takes", [True, False])
async def test_where_only_the_unsent_bytes_tell_the_limit_is_longer(
    fake_clock: FakeClock, takes: bool
) -> None:
    class Transport:
        """One over a Unix socket."""

        unsent, dropped = 1000, False

        def get_extra_info(self, name: str) -> Any:
            return None

        def get_write_buffer_size(self) -> int:
            return self.unsent

        def abort(self) -> None:
            self.dropped = True

    transport = Transport()
    watch = UnsentWatch(DriverOptions(keepalive_timeout=10), fake_clock.clock)
    watch._sources.append(lambda: [Watched(transport, 10, "a setting", transport.abort)])
    for _ in range(UNKNOWN_FACTOR):
        await watch.look()
        await fake_clock.advance(10)
        transport.unsent -= takes
        assert not transport.dropped
    await watch.look()
    assert transport.dropped is not takes
