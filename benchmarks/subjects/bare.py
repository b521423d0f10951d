"""The reference: aiohttp used directly, with everything that is known to make it fast.

It reads the body or the frame, starts a handler and answers. It does not build headers, and does
not check anything.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from aiohttp import web

from ..control import Control
from ..event import EVENT
from ..load.loop import new_event_loop, run
from .support import (
    handle_bytes,
    handle_event,
    handle_text,
    measure_calls,
    start_as_adapters_do,
    start_eagerly,
    tally,
)

# aiohttp 3.14 and later can leave text frames undecoded.
UNDECODED: dict[str, Any] = (
    {"decode_text": False}
    if "decode_text" in inspect.signature(web.WebSocketResponse).parameters
    else {}
)
MESSAGES = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
JSON_HEADERS = {"Content-Type": "application/json"}


async def webhook(request: web.BaseRequest) -> web.Response:
    """Handle one event."""
    body = await request.read()
    start_eagerly(asyncio.get_running_loop(), handle_event(body))
    return web.Response()


async def websocket_bytes(request: web.Request) -> web.WebSocketResponse:
    """Handle messages as bytes, each in an eager task."""
    socket = web.WebSocketResponse(compress=False, **UNDECODED)
    await socket.prepare(request)
    await read_bytes(socket)
    return socket


async def websocket_text(request: web.Request) -> web.WebSocketResponse:
    """Handle messages as str, each in a task like those of NoneBot2's adapters."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    while (message := await socket.receive()).type in MESSAGES:
        start_as_adapters_do(handle_text(socket.send_str, message.data))
    return socket


async def read_bytes(socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse) -> None:
    """Start a handler for each message until the socket closes."""
    loop = asyncio.get_running_loop()
    while (message := await socket.receive()).type in MESSAGES:
        start_eagerly(loop, handle_bytes(socket.send_str, message.data))


def serve(port: str) -> None:
    """Serve webhooks and reverse WebSockets."""
    app = web.Application()
    app.router.add_post("/bench/", webhook)
    app.router.add_get("/bench/ws", websocket_bytes)
    app.router.add_get("/bench/text", websocket_text)
    Control(tally)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(port),
        access_log=None,
        print=lambda *_: None,
        loop=new_event_loop(),
    )


async def serve_low_level(port: str) -> None:
    """Serve webhooks with aiohttp's server alone, without an application and its router."""
    Control(tally)
    runner = web.ServerRunner(web.Server(webhook, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    await asyncio.Event().wait()


async def forward(_port: str, url: str) -> None:
    """Connect to a platform and handle its messages."""
    Control(tally)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, **UNDECODED) as socket,
    ):
        await read_bytes(socket)


async def call(_port: str, url: str, at_once: str, warmup: str, seconds: str) -> None:
    """Call an API on one shared session."""
    control = Control()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def once() -> bytes | None:
            async with session.post(url, data=EVENT, headers=JSON_HEADERS) as response:
                return await response.read()

        await measure_calls(control, once, int(at_once), float(warmup), float(seconds))


COROUTINES: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "call": call,
    "forward": forward,
    "serve-low-level": serve_low_level,
}

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "serve":
        serve(*arguments)
    else:
        run(COROUTINES[role](*arguments))
