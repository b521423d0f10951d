"""Every fault of the kit in every place: it strikes there, or says where it belongs."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import (
    Close,
    Cut,
    ExpiredCertificate,
    Fault,
    Garbage,
    HalfOpen,
    Hang,
    Oversize,
    Place,
    Platform,
    Redirect,
    Reset,
    Silent,
    Slow,
    Status,
)
from nonebot_aiohttp.testing.wire.faults import PLACES
from tests.support import frames, server
from tests.support.client import RawClient
from tests.support.frames import Opcode
from tests.support.peer import Peer
from tests.support.server import ScriptedServer
from tests.support.waiting import DEADLINE, eventually, within

SHORT = 0.25
"""Seconds in which nothing comes over a connection that should stay open."""

HUGE = 300_000
PACE = 2000.0
GARBAGE = b"\xff\xfegarbage\r\n\r\n"

FAULTS: list[Fault] = [
    Reset(),
    Hang(),
    HalfOpen(),
    Slow(PACE),
    Cut(5),
    Garbage(GARBAGE),
    Oversize(HUGE),
    Silent(),
    Close(4000, "bye"),
    Close(1006),
    Status(429, retry_after=3),
    Redirect("/there", 307),
    ExpiredCertificate(),
]

BODY = {"a": "x" * 40}


@dataclass
class Seen:
    """What came until a connection ended, how that was, and the seconds that it took."""

    data: bytes
    how: str
    took: float

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


async def _seen(peer: Peer, fault: Fault) -> Seen:
    """Read a connection to its end, or until nothing more comes where it should stay open."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    # After the garbage that the platform begins with comes what it was about to send.
    stays = isinstance(fault, Hang | HalfOpen) or (
        isinstance(fault, Garbage) and isinstance(peer, server.Connection)
    )
    data, how = b"", "end"
    try:
        while piece := await asyncio.wait_for(peer.reader.read(1 << 16), SHORT if stays else 10):
            data += piece
    except ConnectionResetError:
        how = "reset"
    except asyncio.TimeoutError:
        how = "open"
    return Seen(data, how, loop.time() - start)


async def _on_a_connection(fault: Fault) -> None:
    async with Platform(
        allow_unexpected=True, tls=isinstance(fault, ExpiredCertificate)
    ) as platform:
        platform.on("GET", "/x").reply(json=BODY, optional=True)
        platform.websocket("/ws")
        platform.next_connections(fault)
        if isinstance(fault, Close | Silent):
            await _check_when_open(platform, fault)
            return
        if isinstance(fault, ExpiredCertificate):
            await _check_certificate(platform)
            return
        try:
            first = await RawClient.connect(platform.port)
        except ConnectionResetError:
            # RST may come before the client's loop has looked at its new connection.
            assert isinstance(fault, Reset)
        else:
            async with first:
                with contextlib.suppress(ConnectionError):
                    await first.send_request("GET", "/x", {"Connection": "close"})
                _check_answer(fault, await _seen(first, fault), cut_at=0)
        async with await RawClient.connect(platform.port) as client:
            assert (await client.request("GET", "/x")).status == 200


async def _check_certificate(platform: Platform) -> None:
    context = ssl.create_default_context(cafile=platform.environment["SSL_CERT_FILE"])
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await RawClient.connect(platform.port, ssl_context=context)
    async with await RawClient.connect(platform.port, ssl_context=context) as client:
        assert (await client.request("GET", "/x")).status == 200


async def _on_an_answer(fault: Fault) -> None:
    async with Platform() as platform:
        route = platform.on("GET", "/x").reply(json=BODY, fault=fault).reply(json={})
        async with await RawClient.connect(platform.port) as client:
            await client.send_request("GET", "/x", {"Connection": "close"})
            _check_answer(fault, await _seen(client, fault), cut_at=None)
        await route.expect()
        async with await RawClient.connect(platform.port) as client:
            assert (await client.request("GET", "/x")).body == b"{}"


def _check_answer(fault: Fault, seen: Seen, cut_at: int | None) -> None:
    """Check what a client sees of an answer; `cut_at` is where all that is sent begins."""
    head = seen.data.partition(b"\r\n\r\n")[0].lower()
    if isinstance(fault, Reset):
        assert (seen.data, seen.how) == (b"", "reset")
    elif isinstance(fault, Hang | HalfOpen):
        assert (seen.data, seen.how) == (b"", "open")
    elif isinstance(fault, Slow):
        assert seen.took > 0.8 * len(seen.data) / PACE
        assert seen.body == b'{"a": "' + b"x" * 40 + b'"}'
    elif isinstance(fault, Cut):
        assert seen.how == "end"
        assert len(seen.data if cut_at == 0 else seen.body) == 5
        assert b"\r\ncontent-length: 49" in head or cut_at == 0
    elif isinstance(fault, Garbage):
        assert (seen.data, seen.how) == (GARBAGE, "end")
    elif isinstance(fault, Oversize):
        assert len(seen.body) == HUGE
        assert seen.body.strip() == b'{"a": "' + b"x" * 40 + b'"}'
    elif isinstance(fault, Status):
        assert head.startswith(b"http/1.1 429")
        assert b"\r\nretry-after: 3" in head
    else:
        assert isinstance(fault, Redirect)
        assert head.startswith(b"http/1.1 307")
        assert b"\r\nlocation: /there" in head


async def _on_a_handshake(fault: Fault) -> None:
    async with Platform() as platform:
        platform.websocket("/ws").fail(fault)
        if isinstance(fault, Close | Silent | Oversize):
            await _check_when_open(platform, fault)
            return
        async with await RawClient.connect(platform.port) as client:
            asking = asyncio.create_task(client.upgrade("/ws"))
            if isinstance(fault, Slow):
                start = asyncio.get_running_loop().time()
                assert (await asking).status == 101
                assert asyncio.get_running_loop().time() - start > 80 / PACE
                await platform.connected()
                return
            if isinstance(fault, Status | Redirect):
                response = await asking
                assert response.status == fault.status
                assert fault.headers.items() <= dict(response.headers).items()
                return
            # What comes instead of an answer is read by this test.
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            _check_answer(fault, await _seen(client, fault), cut_at=0)
        async with await RawClient.connect(platform.port) as client:
            assert (await client.upgrade("/ws")).status == 101


async def _check_when_open(platform: Platform, fault: Fault) -> None:
    """Check a fault that strikes the bot's next WebSocket as soon as it is open."""
    async with await RawClient.connect(platform.port) as client:
        assert (await client.upgrade("/ws")).status == 101
        await _check_open(client, fault, await platform.connected())


async def _on_a_websocket(fault: Fault) -> None:
    async with Platform() as platform, await RawClient.connect(platform.port) as client:
        assert (await client.upgrade("/ws")).status == 101
        connection = await platform.connected()
        await connection.fail(fault)
        await _check_open(client, fault, connection)


async def _check_open(peer: Peer, fault: Fault, connection: testing.Connection) -> None:
    """Check what the bot sees over a WebSocket that is open and has failed."""
    if isinstance(fault, Silent):
        await peer.send_frame(frames.ping(b"x"), frames.text("hello"))
        await connection.expect("hello")
        assert connection.pings == 1
        await connection.send("there")
        assert (await peer.read_frame()).text == "there"
    elif isinstance(fault, Close) and fault.code != 1006:
        frame = await peer.read_frame()
        assert (frame.close_code, frame.close_reason) == (4000, "bye")
        await peer.send_frame(frames.close(4001, "too"))
        assert await connection.closed() == testing.Closed(4001, "too")
    elif isinstance(fault, Oversize):
        frame = await peer.read_frame()
        assert (frame.opcode, len(frame.payload)) == (Opcode.TEXT, HUGE)
    elif isinstance(fault, Slow):
        start = asyncio.get_running_loop().time()
        await connection.send("a" * 100)
        assert (await peer.read_frame()).text == "a" * 100
        assert asyncio.get_running_loop().time() - start > 80 / PACE
    elif isinstance(fault, Garbage):
        assert await within(peer.reader.readexactly(len(GARBAGE))) == GARBAGE
    elif isinstance(fault, Hang | HalfOpen):
        await _check_nothing_comes(peer, fault, connection)
    else:
        seen = await _seen(peer, fault)
        if isinstance(fault, Reset):
            assert seen.how == "reset"
        else:
            # Five bytes of a frame, or nothing at all.
            assert (len(seen.data), seen.how) == (5 if isinstance(fault, Cut) else 0, "end")
        assert (await connection.closed()).code == 1006


async def _check_nothing_comes(peer: Peer, fault: Fault, connection: testing.Connection) -> None:
    await peer.send_frame(frames.ping(b"x"), frames.text("hello"))
    sending = asyncio.create_task(connection.send("there"))
    seen = await _seen(peer, fault)
    assert (seen.data, seen.how) == (b"", "open")
    if isinstance(fault, Hang):
        await connection.expect("hello")
    else:
        with pytest.raises(testing.NothingCame):
            await connection.expect("hello", deadline=0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def _on_a_webhook(fault: Fault) -> None:
    came: list[Seen] = []

    async def bot(connection: server.Connection) -> None:
        if isinstance(fault, Slow | Oversize):
            start = asyncio.get_running_loop().time()
            body = (await within(connection.read_request())).body
            came.append(Seen(body, "whole", asyncio.get_running_loop().time() - start))
        else:
            came.append(await _seen(connection, fault))
        await connection.respond(204)

    async with Platform() as platform, ScriptedServer(bot) as scripted:
        posting = platform.post(
            scripted.url + "/hook", json=BODY, fault=fault, deadline=_patience(fault)
        )
        answer = (await asyncio.gather(posting, return_exceptions=True))[0]
        if isinstance(answer, TypeError):
            raise answer
        await eventually(lambda: came)
    _check_sent(fault, came[0])
    if isinstance(fault, Slow | Oversize | Garbage):
        # Whether it answers nonsense is the bot's decision: this one does.
        assert isinstance(answer, testing.Answer)
        assert answer.status == 204
    else:
        assert isinstance(answer, testing.NoAnswer)


def _check_sent(fault: Fault, seen: Seen) -> None:
    """Check what a bot sees of a request."""
    if isinstance(fault, Reset):
        assert seen.how == "reset"
        assert b"POST /hook HTTP/1.1\r".startswith(seen.data)
    elif isinstance(fault, Hang):
        assert (seen.data, seen.how) == (b"POST /hook HTTP/1.1\r", "open")
    elif isinstance(fault, HalfOpen):
        assert (seen.body, seen.how) == (b"", "open")
        assert seen.data.endswith(b"\r\n\r\n")
    elif isinstance(fault, Slow):
        assert seen.took > 0.8 * len(seen.data) / PACE
    elif isinstance(fault, Cut):
        assert (seen.body, seen.how) == (b'{"a":', "end")
    elif isinstance(fault, Garbage):
        assert seen.data.startswith(GARBAGE)
    else:
        assert isinstance(fault, Oversize)
        assert len(seen.data) == HUGE


async def _on_opening(fault: Fault) -> None:
    came: list[Seen] = []

    async def bot(connection: server.Connection) -> None:
        if isinstance(fault, Close | Silent | Oversize | Slow):
            start = asyncio.get_running_loop().time()
            await connection.upgrade()
            came.append(Seen(b"", "", asyncio.get_running_loop().time() - start))
            made.set_result(connection)
            await done.wait()
        else:
            came.append(await _seen(connection, fault))

    made: asyncio.Future[server.Connection] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()
    async with Platform() as platform, ScriptedServer(bot) as scripted:
        connecting = asyncio.create_task(
            platform.connect(scripted.ws_url + "/ws", fault=fault, deadline=_patience(fault))
        )
        if isinstance(fault, Close | Silent | Oversize | Slow):
            connection, peer = await connecting, await made
            assert not isinstance(fault, Slow) or came[0].took > 100 / PACE
            await _check_open(peer, fault, connection)
            done.set()
        else:
            with pytest.raises(testing.NoAnswer):
                await connecting
            await eventually(lambda: came)
            _check_opening(fault, came[0])


def _check_opening(fault: Fault, seen: Seen) -> None:
    if isinstance(fault, Reset):
        assert seen.how == "reset"
    elif isinstance(fault, Hang):
        assert (seen.data, seen.how) == (b"GET /ws HTTP/1.1\r\nHo", "open")
    elif isinstance(fault, HalfOpen):
        assert seen.how == "open"
        assert seen.data.endswith(b"\r\n\r\n")
    elif isinstance(fault, Cut):
        assert (seen.data, seen.how) == (b"GET /", "end")
    else:
        assert seen.data.startswith(GARBAGE)


def _patience(fault: Fault) -> float:
    """Return the seconds for an answer, longer than a connection stays open that gets none."""
    return 4 * SHORT if isinstance(fault, Hang | HalfOpen) else DEADLINE


STRIKE: dict[Place, Callable[[Fault], Awaitable[None]]] = {
    Place.CONNECTION: _on_a_connection,
    Place.ANSWER: _on_an_answer,
    Place.HANDSHAKE: _on_a_handshake,
    Place.WEBSOCKET: _on_a_websocket,
    Place.WEBHOOK: _on_a_webhook,
    Place.OPENING: _on_opening,
}


@pytest.mark.parametrize("place", Place, ids=lambda place: place.name.lower())
@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_fault_strikes_or_says_where_it_belongs(fault: Fault, place: Place) -> None:
    if place in PLACES[type(fault)]:
        await STRIKE[place](fault)
        return
    with pytest.raises(TypeError) as raised:
        await STRIKE[place](fault)
    for belongs in PLACES[type(fault)]:
        assert belongs.value in str(raised.value)


async def test_a_class_is_no_fault() -> None:
    wrong: Any = testing.Reset
    async with Platform() as platform:
        with pytest.raises(TypeError, match=r"write an object such as Reset\(\)"):
            platform.next_connections(wrong)
        with pytest.raises(TypeError, match=r"write an object such as Reset\(\)"):
            platform.on("GET", "/x").fail(wrong)


def test_the_table_has_every_fault() -> None:
    assert set(PLACES) == {type(fault) for fault in FAULTS} == set(Fault.__subclasses__())
