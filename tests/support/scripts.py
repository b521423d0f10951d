"""Scripts for a `ScriptedServer`: each function returns the treatment of an attempt."""

from __future__ import annotations

import asyncio

from tests.support import frames, wire
from tests.support.frames import Frame, Opcode
from tests.support.server import Connection, Script
from tests.support.wire import Headers


def status(code: int, body: bytes = b"", headers: Headers = ()) -> Script:
    """Answer the request with that status, and close."""

    async def script(connection: Connection) -> None:
        await connection.read_request()
        await connection.respond(code, body, headers)

    return script


def reset(after_request: bool = False) -> Script:
    """End the connection with RST, at once or after the request was read."""

    async def script(connection: Connection) -> None:
        if after_request:
            await connection.read_request()
        connection.reset()

    return script


def hang(read: bool = True) -> Script:
    """Accept, and do not answer until the client leaves; without `read`, do not even read."""

    async def script(connection: Connection) -> None:
        if not read:
            connection.stop_reading()
            await _never()
        await connection.read_request()
        await connection.read_to_end()

    return script


def raw(data: bytes, after_request: bool = True) -> Script:
    """Send bytes as they are, and close."""

    async def script(connection: Connection) -> None:
        if after_request:
            await connection.read_request()
        await connection.send(data)

    return script


def truncated_body(sent: bytes = b"half", declared: int = 100, stall: bool = False) -> Script:
    """Send a 200 with less body than declared, then close, or wait until the client leaves."""

    async def script(connection: Connection) -> None:
        await connection.read_request()
        head = {"Content-Length": str(declared)}
        await connection.send(wire.encode_message(wire.status_line(200), head, sent))
        if stall:
            await connection.read_to_end()

    return script


def wrong_accept() -> Script:
    """Answer a WebSocket handshake with 101 and a wrong key."""

    async def script(connection: Connection) -> None:
        await connection.upgrade({"Sec-WebSocket-Accept": frames.accept_key("another")})
        await connection.read_to_end()

    return script


def accept_then_close(code: int | None = 1000, reason: str = "", abrupt: bool = False) -> Script:
    """Accept the WebSocket and close it at once; if `abrupt`, without a close frame."""

    async def script(connection: Connection) -> None:
        await connection.upgrade()
        if abrupt:
            return
        await connection.send_frame(frames.close(code, reason))
        await connection.read_to_end()

    return script


def half_open() -> Script:
    """Accept the WebSocket and send nothing: frames are recorded, pings are not answered."""

    async def script(connection: Connection) -> None:
        await connection.upgrade()
        while True:
            await connection.read_frame()

    return script


def send_frames(*items: Frame | str | bytes, headers: Headers = ()) -> Script:
    """Accept the WebSocket, send frames, answer pings and the close."""

    async def script(connection: Connection) -> None:
        await connection.upgrade(headers)
        for item in items:
            await connection.send_frame(_as_frame(item))
        while (await connection.read_message()).opcode != Opcode.CLOSE:
            pass
        await connection.send_frame(Frame(Opcode.CLOSE, connection.attempt.frames[-1].payload))

    return script


def echo(headers: Headers = ()) -> Script:
    """Accept the WebSocket and send every message back; answer pings and the close."""

    async def script(connection: Connection) -> None:
        await connection.upgrade(headers)
        message = Frame(Opcode.CONTINUATION)
        while message.opcode != Opcode.CLOSE:
            message = await connection.read_message()
            await connection.send_frame(Frame(message.opcode, message.payload, message.fin))

    return script


def _as_frame(item: Frame | str | bytes) -> Frame:
    if isinstance(item, Frame):
        return item
    return frames.text(item) if isinstance(item, str) else frames.binary(item)


async def _never() -> None:
    await asyncio.get_running_loop().create_future()
