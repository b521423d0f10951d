"""A peer's text forges no line of the log, wherever it puts it: each record stays one, and clean.

Traps: a line feed in a close reason is a line of its own; a bidirectional control character turns
the line around in a terminal; ten thousand characters fill a disk.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from nonebot_aiohttp import Driver, HTTPConnection, HTTPResponse, WebSocket
from tests.support import frames, scripts
from tests.support.bots import Adapter, Decision, RecordingBot, deciding, make_driver
from tests.support.clock import FakeClock
from tests.support.forward import WEBSOCKET, Way
from tests.support.hosts import Serving
from tests.support.logs import Logs
from tests.support.server import Connection
from tests.support.waiting import eventually

SECRET = "s3cr3t-T0ken-1234567"
FORGED = "2026-01-01 00:00:00 ERROR    forged"
NASTY = f"\x1b[31m\x1b]0;title\x07\u202ebidi\u2066\u200b\u2028{FORGED}\x85{FORGED}\x9b"
HOSTILE = f"a\n{FORGED}\r{NASTY} access_token={SECRET}\n" + "x\n" * 5_000 + "y" * 10_000
SHORT = f"\n{FORGED}\x1b[2J\u202e\u2028{FORGED} token={SECRET}"
ON_ONE_LINE = HOSTILE.replace("\n", "").replace("\r", "")[:6_000]
"""What a header can hold."""

UNCONTROLLED = "".join(each for each in ON_ONE_LINE if each >= "\xa0" or " " <= each <= "~")

LONGEST = 700
"""Characters of one line, with what stands around a peer's text."""


def check_clean(logs: Logs) -> None:
    """Check that each record is one, and that no line of it can be taken for another."""
    assert logs
    for record in logs:
        first, *more = record.output.removesuffix("\n").split("\n")
        assert not first.startswith("2026-01-01")
        assert all(not line or line.startswith("  ") for line in more), record
        assert len(more) <= 250
        for line in (first, *more):
            assert line.isprintable(), ascii(line)
            assert len(line) <= LONGEST
    assert SECRET not in logs.output


def quoted(text: str) -> str:
    """Encode all of a text for a path."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


class Told(RecordingBot):
    """An adapter that believes what a body says: the id, the refusal, or an error."""

    @classmethod
    async def decide(cls, request: HTTPConnection) -> Decision:
        """Do what the header says."""
        what = request.headers.get("x-do")
        if what == "refuse":
            return None, HTTPResponse(403, HOSTILE.encode())
        if what == "fail":
            raise ValueError(HOSTILE)
        if what == "unsendable":
            return "1", HTTPResponse(200, b"", {HOSTILE: "x"})
        if what == "id":
            return HOSTILE, None
        if what == "printable id":
            return f"a access_token={SECRET} " + "z" * 200, None
        return "1", None

    async def react(self, message: bytes) -> None:
        """Fail with the peer's text, or with a group of errors and notes."""
        if b"group" in message:
            error = ValueError(HOSTILE)
            error.__notes__ = [HOSTILE]
            error.__cause__ = KeyError(HOSTILE)
            raise error
        raise ValueError(json.loads(message))


MESSAGES = [json.dumps(HOSTILE).encode(), b"group", json.dumps(SHORT).encode()]


@pytest.mark.promise("data: what a peer says forges no line of the log")
@pytest.mark.parametrize("what", ["refuse", "fail", "unsendable", "id", "printable id", "handle"])
async def test_an_adapter_passes_a_peers_text_on(serving: Serving, logs: Logs, what: str) -> None:
    async with serving(make_driver(Told)) as host:
        for message in MESSAGES:
            await host.post(message, {"X-Do": what})
        async with await host.client() as client:
            response = await host.upgrade(client, {"X-Do": what})
            if response.status == 101:
                await eventually(lambda: host.driver.bots)
                for message in MESSAGES:
                    await client.send_frame(frames.text(message.decode()))
                await client.send_frame(frames.close(4000, SHORT))
                await eventually(lambda: not host.driver.bots)
    check_clean(logs)


@pytest.mark.promise("data: what a peer says forges no line of the log")
@pytest.mark.parametrize(
    "name",
    ["X-Self-ID", "Origin", "Host", "Sec-WebSocket-Protocol", "User-Agent", "X-Forwarded-For"],
)
async def test_a_header(serving: Serving, adapter: Adapter, logs: Logs, name: str) -> None:
    async with serving(make_driver(adapter)) as host:
        # uvicorn refuses control characters itself.
        text = ON_ONE_LINE if host.transport == "aiohttp" else UNCONTROLLED
        if host.transport == "asgi" and name == "Sec-WebSocket-Protocol":
            # Old versions of uvicorn break on other characters.
            text = text.encode("ascii", "ignore").decode()
        headers = {"X-Self-ID": "1", name: text.encode().decode("latin-1")}
        await host.post(b"x", headers)
        async with await host.client() as client:
            await host.upgrade(client, headers)
        # Something to be logged, whatever became of that.
        await host.request("GET", "/recorder/ws")
    check_clean(logs)


@pytest.mark.promise("data: what a peer says forges no line of the log")
async def test_a_path(serving: Serving, adapter: Adapter, logs: Logs) -> None:
    async with serving(make_driver(adapter)) as host:
        for target in (f"/{quoted(HOSTILE[:1500])}", f"/{quoted(SHORT)}"):
            await host.request("POST", f"{target}/")
            await host.request("GET", f"{target}/")
            async with await host.client() as client:
                await host.upgrade(client, target=f"{target}/ws")
        await host.request("GET", "/recorder/ws")
    check_clean(logs)


@pytest.mark.promise("data: what a peer says forges no line of the log")
async def test_a_close_in_the_handshake(serving: Serving, logs: Logs) -> None:
    async def decide(request: HTTPConnection) -> Decision:
        assert isinstance(request, WebSocket)
        await request.accept()
        await request.receive()
        return "1", None

    async with serving(make_driver(deciding(decide))) as host, await host.client() as client:
        await host.upgrade(client)
        await client.send_frame(frames.close(4000, SHORT))
        await eventually(lambda: logs.matching("ended in its handshake"))
    check_clean(logs)


HEADERS = ON_ONE_LINE.encode()


@pytest.mark.promise("data: what a peer says forges no line of the log")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 401 " + HEADERS + b"\r\n\r\n",
        b"HTTP/1.1 401 " + f"{FORGED} \x1b[31m token={SECRET}".encode() + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://" + HEADERS + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: gopher://h" + HEADERS + b"\r\n\r\n",
        b"HTTP/1.1 503 Away\r\nRetry-After: " + HEADERS + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Away\r\nContent-Length: 15000\r\n\r\n" + HOSTILE.encode()[:15000],
        b"HTTP/1.1 101 Switching\r\nUpgrade: " + HEADERS + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: " + HEADERS + b"\r\nContent-Length: 1\r\n\r\nx",
        HOSTILE.encode() + b"\r\n\r\n",
        SHORT.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + HOSTILE.encode(),
    ],
    ids=range(11),
)
async def test_a_platforms_answer(
    way: Way, driver: Driver, fake_clock: FakeClock, logs: Logs, answer: bytes
) -> None:
    async with way.running(driver, scripts.raw(answer)):
        await fake_clock.slept(1)
    check_clean(logs)


@pytest.mark.promise("data: what a peer says forges no line of the log")
async def test_a_platforms_close(driver: Driver, fake_clock: FakeClock, logs: Logs) -> None:
    async def serve(connection: Connection) -> None:
        await connection.upgrade({"Sec-WebSocket-Protocol": ON_ONE_LINE.encode().decode("latin-1")})
        await connection.send_frame(frames.close(4000, SHORT))
        await connection.read_close()

    async with WEBSOCKET.running(driver, serve):
        await fake_clock.slept(1)
    check_clean(logs)
    assert logs.matching("forged")


@pytest.mark.promise("data: what a peer says forges no line of the log")
async def test_a_setup_that_a_peer_has_told(
    driver: Driver, fake_clock: FakeClock, logs: Logs
) -> None:
    async def fail() -> Any:
        raise ValueError(HOSTILE)

    async def setup() -> Any:
        return WEBSOCKET.setup("gopher://h/", self_id=HOSTILE)

    driver.setup_http_polling(fail)
    driver.setup_websocket(setup)
    async with driver.lifespan():
        await fake_clock.slept(1)
        await eventually(lambda: logs.matching("for good"))
    check_clean(logs)
