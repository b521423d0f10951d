"""Tests of the scripted server and the raw client, against each other and against aiohttp."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import frames, scripts
from tests.support.certs import Tls
from tests.support.client import RawClient
from tests.support.frames import Frame, Opcode
from tests.support.server import Connection, ScriptedServer, refusing_port
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.both_loops


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_each_attempt_gets_its_script_and_the_last_one_repeats(
    session: aiohttp.ClientSession,
) -> None:
    script = [scripts.status(503), scripts.status(429, b"later", {"Retry-After": "7"})]
    async with ScriptedServer(*script) as server:
        for number, code in enumerate((503, 429, 429), 1):
            async with session.post(f"{server.url}/p?n={number}", data=b"x" * number) as response:
                assert response.status == code
                assert response.headers.get("Retry-After") == (None if code == 503 else "7")
        assert [a.request.body for a in server.attempts] == [b"x", b"xx", b"xxx"]
        assert (await server.request(2)).start_line == "POST /p?n=2 HTTP/1.1"
        assert await server.attempt(3) is server.attempts[2]


async def test_waiting_for_an_attempt_that_does_not_come_fails() -> None:
    async with ScriptedServer(scripts.hang()) as server:
        with pytest.raises(AssertionError, match="attempt 1 to connect"):
            await server.attempt(1, timeout=0.01)


async def test_the_server_refuses_and_listens_in_turn(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(scripts.status(200), listening=False) as server:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(server.url)
            await server.listen()
            async with session.get(server.url) as response:
                assert response.status == 200
            await server.refuse()
        assert len(server.attempts) == 2


async def test_a_refusing_port(session: aiohttp.ClientSession) -> None:
    with refusing_port() as port, pytest.raises(aiohttp.ClientConnectorError):
        await session.get(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("after_request", [False, True])
async def test_reset(after_request: bool) -> None:
    async with ScriptedServer(scripts.reset(after_request)) as server:
        async with await RawClient.connect(server.port) as client:
            with pytest.raises(ConnectionError):
                await client.request("GET", "/")
        assert len(server.attempts[0].requests) == after_request


@pytest.mark.parametrize("read", [False, True])
async def test_hang(session: aiohttp.ClientSession, read: bool) -> None:
    async with ScriptedServer(scripts.hang(read)) as server:
        with pytest.raises(asyncio.TimeoutError):
            await session.get(server.url, timeout=aiohttp.ClientTimeout(total=0.05))
        assert len(server.attempts[0].requests) == read
        if read:
            await eventually(lambda: server.attempts[0].ended)


@pytest.mark.parametrize("stall", [False, True])
async def test_a_body_that_stops_half_way(session: aiohttp.ClientSession, stall: bool) -> None:
    error = asyncio.TimeoutError if stall else aiohttp.ClientPayloadError
    async with ScriptedServer(scripts.truncated_body(stall=stall)) as server:
        timeout = aiohttp.ClientTimeout(total=0.2 if stall else None)
        async with session.get(server.url, timeout=timeout) as response:
            with pytest.raises(error):
                await response.read()


async def test_raw_bytes(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(scripts.raw(b"nonsense\r\n\r\n")) as server:
        with pytest.raises(aiohttp.ClientError):
            await session.get(server.url)


@pytest.mark.parametrize("bad", ["untrusted_server", "wrong_name_server"])
async def test_a_bad_certificate_is_an_attempt_with_an_error(
    session: aiohttp.ClientSession, tls: Tls, bad: str
) -> None:
    async with ScriptedServer(scripts.status(200), ssl_context=getattr(tls, bad)) as server:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(server.url, ssl=tls.client)
        await eventually(lambda: server.attempts[0].ended)
        assert not server.attempts[0].requests


async def test_a_good_certificate(tls: Tls) -> None:
    async with ScriptedServer(scripts.echo(), ssl_context=tls.server) as server:
        assert server.ws_url == f"wss://127.0.0.1:{server.port}"
        async with await RawClient.connect(server.port, ssl_context=tls.client) as client:
            assert (await client.upgrade("/")).status == 101


async def test_echo_with_aiohttp(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(scripts.echo()) as server:
        async with session.ws_connect(f"{server.ws_url}/ws") as socket:
            await socket.send_str("你好")
            await socket.send_bytes(b"\x00")
            assert await socket.receive_str() == "你好"
            assert await socket.receive_bytes() == b"\x00"
        assert socket.close_code == 1000
        kinds = [(frame.opcode, frame.masked) for frame in server.attempts[0].frames]
        assert kinds == [(Opcode.TEXT, True), (Opcode.BINARY, True), (Opcode.CLOSE, True)]


async def test_accept_then_close(session: aiohttp.ClientSession) -> None:
    script = [scripts.accept_then_close(4001, "go"), scripts.accept_then_close(abrupt=True)]
    async with ScriptedServer(*script) as server:
        for code in (4001, 1006):
            async with session.ws_connect(server.ws_url) as socket:
                await socket.receive()
            assert socket.close_code == code


async def test_half_open(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(scripts.half_open()) as server:
        async with await RawClient.connect(server.port) as client:
            await client.upgrade("/")
            await client.send_frame(frames.ping(b"?"))
            await eventually(lambda: server.attempts[0].frames)
            client.patience = 0.01
            with pytest.raises(AssertionError):
                await client.read_frame()
        await eventually(lambda: server.attempts[0].ended)
        assert isinstance(server.attempts[0].error, (EOFError, OSError))


async def test_scripted_frames() -> None:
    items = ("text", b"binary", Frame(Opcode.TEXT, b"\xff"), frames.ping(b"?"))
    async with (
        ScriptedServer(scripts.send_frames(*items)) as server,
        await RawClient.connect(server.port) as client,
    ):
        await client.upgrade("/")
        assert [(await client.read_frame()).payload for _ in items] == [
            b"text",
            b"binary",
            b"\xff",
            b"?",
        ]
        await client.send_frame(frames.pong(b"?"), frames.close(1000))
        assert (await client.read_close()).close_code == 1000


async def test_an_oversize_frame(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(scripts.oversize_frame(4096)) as server:
        async with session.ws_connect(server.ws_url, max_msg_size=1024) as socket:
            message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.ERROR
        assert socket.close_code == 1009


async def test_a_frame_that_is_only_announced() -> None:
    async with (
        ScriptedServer(scripts.oversize_frame(1 << 40, header_only=True)) as server,
        await RawClient.connect(server.port) as client,
    ):
        await client.upgrade("/")
        client.end_writing()
        assert await client.read_to_end() == bytes.fromhex("827f0000010000000000")


async def test_a_wrong_accept_key(session: aiohttp.ClientSession) -> None:
    async with ScriptedServer(scripts.wrong_accept()) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(server.ws_url)


async def test_a_mistake_in_a_script_fails_the_test() -> None:
    async def mistaken(connection: Connection) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with (
            ScriptedServer(mistaken) as server,
            await RawClient.connect(server.port) as client,
        ):
            await client.read_to_end()

    with pytest.raises(ZeroDivisionError):
        await run()


async def test_the_client_sends_unmasked_frames_when_told() -> None:
    async with ScriptedServer(scripts.half_open()) as server:
        async with await RawClient.connect(server.port) as client:
            await client.upgrade("/", [("X-Self-ID", "1")])
            await client.send_frame(frames.text("a"), Frame(Opcode.TEXT, b"b", masked=False))
            seen = server.attempts[0].frames
            await eventually(lambda: len(seen) == 2)
        assert [(frame.payload, frame.masked) for frame in seen] == [(b"a", True), (b"b", False)]
        assert server.attempts[0].request.header("x-self-id") == "1"


async def test_the_client_trickles_a_body() -> None:
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1

    async with ScriptedServer(scripts.status(200, b"got it")) as server:
        async with await RawClient.connect(server.port) as client:
            await client.send_request("POST", "/", {"Content-Length": "3"})
            await client.trickle([b"a", b"b", b"c"], pause)
            assert (await client.read_response()).text == "got it"
        assert server.attempts[0].request.body == b"abc"
        assert pauses == 3


async def test_the_client_resets() -> None:
    async with ScriptedServer(scripts.hang()) as server:
        async with await RawClient.connect(server.port) as client:
            await server.attempt(1)
            client.reset()
        await eventually(lambda: server.attempts[0].ended)
        assert isinstance(server.attempts[0].error, ConnectionResetError)


async def test_the_client_ends_its_side_only() -> None:
    async def script(connection: Connection) -> None:
        await connection.send(await connection.read_to_end())

    async with ScriptedServer(script) as server, await RawClient.connect(server.port) as client:
        await client.send(b"all")
        client.end_writing()
        assert await client.read_to_end() == b"all"


async def test_a_client_that_stops_reading_fills_the_connection() -> None:
    async def flood(connection: Connection) -> None:
        await connection.read_request()
        while True:
            await connection.send(bytes(1 << 16))

    async with ScriptedServer(flood) as server:
        async with await RawClient.connect(server.port) as client:
            client.stop_reading()
            await client.send_request("GET", "/")
            await server.request(1)
            assert not server.attempts[0].ended
        await eventually(lambda: server.attempts[0].ended)


async def test_ten_attempts_at_once() -> None:
    async def connect(port: int) -> bytes:
        async with await RawClient.connect(port) as client:
            return (await client.request("GET", "/")).body

    async with ScriptedServer(scripts.status(200, b"x")) as server:
        answers = await within(asyncio.gather(*(connect(server.port) for _ in range(10))))
        assert answers == [b"x"] * 10
        assert [attempt.number for attempt in server.attempts] == list(range(1, 11))


if sys.platform != "win32":

    async def test_the_client_connects_to_a_unix_socket(tmp_path: Path) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(4))
            writer.close()
            await writer.wait_closed()

        path = str(tmp_path / "s")
        async with (
            await asyncio.start_unix_server(answer, path),
            await RawClient.connect_unix(path) as client,
        ):
            await client.send(b"ping")
            assert await client.read_to_end() == b"ping"
