"""The platform's side of OneBot v11: events, API answers, and a server for forward WebSockets."""

import asyncio
import hmac
import itertools
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.support.waiting import eventually, within

from .network import serving

SELF_ID = "10001"

_numbers = itertools.count(1)


def message_event(text: str, self_id: str = SELF_ID) -> dict[str, Any]:
    number = next(_numbers)
    return {
        "time": 1_700_000_000 + number,
        "self_id": int(self_id),
        "post_type": "message",
        "message_type": "private",
        "sub_type": "friend",
        "message_id": number,
        "user_id": 20002,
        "message": [{"type": "text", "data": {"text": text}}],
        "raw_message": text,
        "font": 0,
        "sender": {"user_id": 20002, "nickname": "friend"},
    }


def looked_up_message() -> dict[str, Any]:
    """Make the answer to a look-up of a message that another one replies to."""
    return {**message_event("before"), "message_id": 1, "real_id": 1}


def lifecycle_event(self_id: str = SELF_ID) -> dict[str, Any]:
    """Make the event that a platform sends first."""
    return {
        "time": 1_700_000_000,
        "self_id": int(self_id),
        "post_type": "meta_event",
        "meta_event_type": "lifecycle",
        "sub_type": "connect",
    }


def sign(secret: str, body: bytes) -> dict[str, str]:
    return {"X-Signature": "sha1=" + hmac.new(secret.encode(), body, "sha1").hexdigest()}


def text_of(message: Any) -> str:
    """Return the text of a message: a string, or segments."""
    if isinstance(message, str):
        return message
    return "".join(segment["data"]["text"] for segment in message)


async def call_of(ws: Any) -> dict[str, Any]:
    """Wait for the bot's next API call."""
    message = await within(ws.receive())
    assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
    call: dict[str, Any] = json.loads(message.data)
    return call


async def echo_over(ws: Any, text: str, self_id: str = SELF_ID) -> None:
    """Have the bot echo a text over a WebSocket, and answer its API call."""
    await ws.send_str(json.dumps(message_event(f"/echo {text}", self_id)))
    call = await call_of(ws)
    assert call["action"] == "send_msg"
    assert text_of(call["params"]["message"]).strip() == text
    answer = {"status": "ok", "retcode": 0, "data": {"message_id": 99}, "echo": call["echo"]}
    await ws.send_str(json.dumps(answer))


def connect(
    client: aiohttp.ClientSession, url: str, self_id: str | None = SELF_ID, token: str = ""
) -> Any:
    headers = {"X-Client-Role": "Universal"}
    if self_id:
        headers["X-Self-ID"] = self_id
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return client.ws_connect(url, headers=headers)


@dataclass
class Platform:
    """A platform that bots connect to, over WebSocket, and whose HTTP API they call."""

    port: int = 0
    token: str = ""
    status: int | None = None
    """An HTTP status with which it refuses all WebSockets."""
    attempts: list[dict[str, str]] = field(default_factory=list)
    """The headers of all WebSocket handshakes, with lower-case names."""
    arrivals: asyncio.Queue[web.WebSocketResponse] = field(default_factory=asyncio.Queue)
    calls: asyncio.Queue[tuple[str, dict[str, Any], dict[str, str]]] = field(
        default_factory=asyncio.Queue
    )
    """HTTP API calls: the action, its parameters, and the headers with lower-case names."""
    looked_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Lets the look-ups of messages over HTTP be answered, which wait for it."""

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def api_root(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    async def arrival(self) -> web.WebSocketResponse:
        """Wait for the next bot to connect, and greet it."""
        ws = await within(self.arrivals.get(), 30)
        await ws.send_str(json.dumps(lifecycle_event()))
        return ws

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Take a bot's WebSocket; the test reads and writes it."""
        self.attempts.append({name.lower(): value for name, value in request.headers.items()})
        if self.status is not None:
            return web.Response(status=self.status)
        ws = web.WebSocketResponse(autoclose=True)
        await ws.prepare(request)
        gone = asyncio.ensure_future(_gone(request))
        await self.arrivals.put(ws)
        await gone
        return ws

    async def call(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        action = request.match_info["action"]
        await self.calls.put((action, await request.json(), headers))
        data = {"message_id": 99}
        if action == "get_msg":
            await self.looked_up.wait()
            data = looked_up_message()
        return web.json_response({"status": "ok", "retcode": 0, "data": data})


async def _gone(request: web.Request) -> None:
    """Wait until a connection has been lost."""
    transport = request.transport
    await eventually(lambda: transport is None or transport.is_closing(), timeout=math.inf)


@asynccontextmanager
async def platform(port: int = 0, **options: Any) -> AsyncIterator[Platform]:
    """Run a `Platform`; at the end all connections are dropped at once."""
    there = Platform(**options)
    app = web.Application()
    app.router.add_get("/ws", there.accept)
    app.router.add_post("/api/{action}", there.call)
    async with serving(app, port) as there.port:
        yield there
