"""A small HTTP proxy that forwards and records all requests."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

from tests.support import wire
from tests.support.server import Connection, ScriptedServer
from tests.support.wire import Request


class RecordingProxy(ScriptedServer):
    """Answers `CONNECT` with a tunnel, and forwards other requests, one per connection.

    The target is on 127.0.0.1, whatever host a request names.

    Attributes:
        target_port: The port of all targets; None for the port that each request names.
    """

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.target_port: int | None = None

    async def __aenter__(self) -> RecordingProxy:
        await super().__aenter__()
        return self

    @property
    def requests(self) -> list[Request]:
        """The requests so far."""
        return [request for attempt in self.attempts for request in attempt.requests]

    @property
    def start_lines(self) -> list[str]:
        """The request lines so far."""
        return [request.start_line for request in self.requests]

    async def _serve(self, connection: Connection) -> None:
        request = await connection.read_request()
        tunnel = request.method == "CONNECT"
        target = urlsplit(f"//{request.target}" if tunnel else request.target)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target_port or target.port)
        try:
            if tunnel:
                await connection.send(wire.encode_message(wire.status_line(200), ()))
            else:
                start_line = f"{request.method} {target.path or '/'} HTTP/1.1"
                writer.write(wire.encode_message(start_line, request.headers, request.body))
            await self._pass_on(connection, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _pass_on(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def forth() -> None:
            while data := await connection.reader.read(1 << 16):
                writer.write(data)

        async def back() -> None:
            while data := await reader.read(1 << 16):
                await connection.send(data)

        ways = {asyncio.ensure_future(forth()), asyncio.ensure_future(back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
