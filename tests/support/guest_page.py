"""A page of a guest with a WebSocket, served under each host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.support.guests import GuestDriver, serving_guest
from tests.support.hosts import HOSTS, Host

OURS = [name for name in HOSTS if name != "asgi"]
"""The hosts whose connections are the driver's own."""

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "superchat",
}


class Page:
    """A WebSocket endpoint that a test chooses, and how its connections have ended.

    Attributes:
        ends: Code and reason of each connection that has ended.
    """

    def __init__(self, serve: Callable[[WebSocket], Any]) -> None:
        self.ends: list[tuple[int, str]] = []
        self._serve = serve
        self.app = Starlette(routes=[WebSocketRoute("/page/ws", self._endpoint)])

    async def _endpoint(self, ws: WebSocket) -> None:
        try:
            await self._serve(ws)
        except WebSocketDisconnect as end:
            self.ends.append((end.code, end.reason or ""))


async def echo(ws: WebSocket) -> None:
    """Send back all messages."""
    await ws.accept()
    while True:
        message = await ws.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        if message.get("text") is not None:
            await ws.send_text(message["text"])
        else:
            await ws.send_bytes(message["bytes"])


@asynccontextmanager
async def serving(
    app: Any, name: str = "own_process", **settings: Any
) -> AsyncIterator[tuple[Host, GuestDriver, aiohttp.ClientSession, str]]:
    """Serve an application; give the host, the driver, a client and the URL of the endpoint."""
    async with (
        serving_guest(app, name, **settings) as (host, driver),
        aiohttp.ClientSession() as client,
    ):
        yield host, driver, client, f"http://127.0.0.1:{host.port}{host.prefix}/page/ws"
