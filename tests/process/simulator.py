"""A platform for a bot: it sends events, and answers the API calls that they cause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.hosts import serve_application
from tests.support.waiting import within


@dataclass
class Line:
    """One WebSocket to the bot; a task reads it until its end, and answers the API calls."""

    socket: aiohttp.ClientWebSocketResponse
    calls: list[dict[str, Any]] = field(default_factory=list)
    ended: asyncio.Task[None] | None = None

    async def close_code(self) -> int | None:
        assert self.ended is not None
        await within(asyncio.shield(self.ended), 60)
        return self.socket.close_code

    async def answer_calls(self) -> None:
        async for message in self.socket:
            call = json.loads(message.data)
            self.calls.append(call)
            await self.socket.send_json({"echo": call["echo"], "result": call["api"]})


class Platform:
    """A platform that connects to one bot program; it keeps its WebSockets by the ids of bots."""

    def __init__(self, port: int, prefix: str = "") -> None:
        self.url = f"http://127.0.0.1:{port}{prefix}/platform"
        self.lines: dict[str, Line] = {}

    async def __aenter__(self) -> Platform:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100), timeout=aiohttp.ClientTimeout(60)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self.lines.values():
            await line.socket.close()
            assert line.ended is not None
            await line.ended
        await self._session.close()

    async def connect(self, self_id: str) -> Line:
        socket = await self._session.ws_connect(self.url + "/ws", headers={"X-Self-ID": self_id})
        line = self.lines[self_id] = Line(socket)
        line.ended = asyncio.create_task(line.answer_calls())
        return line

    async def send(self, self_id: str, **event: Any) -> None:
        await self.lines[self_id].socket.send_json(event)

    async def post(self, self_id: str, **event: Any) -> int:
        """Send an event as a webhook; return the status."""
        headers = {"X-Self-ID": self_id}
        async with self._session.post(self.url, json=event, headers=headers) as response:
            return response.status


@asynccontextmanager
async def http_api() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Serve the platform's API over HTTP; give its URL, and a list of the calls."""
    calls: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(await request.json())
        return web.json_response({"result": "fine"})

    app = web.Application()
    app.router.add_post("/", answer)
    async with serve_application(app) as port:
        yield f"http://127.0.0.1:{port}/", calls
