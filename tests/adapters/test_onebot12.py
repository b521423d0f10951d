"""The adapter for OneBot 12: forward and reverse WebSocket, as JSON and MessagePack, and webhook.

The platform is written from the protocol's own documents:

- https://12.onebot.dev/connect/communication/websocket/ (forward)
- https://12.onebot.dev/connect/communication/websocket-reverse/ (reverse)
- https://12.onebot.dev/connect/communication/http-webhook/ and
  https://12.onebot.dev/connect/communication/http/ (webhook, and the API beside it)
- https://12.onebot.dev/connect/data-protocol/action-request/ and
  https://12.onebot.dev/connect/data-protocol/action-response/ (actions)
- https://12.onebot.dev/interface/meta/events/ and
  https://12.onebot.dev/interface/user/message-events/ (events)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import pytest
from aiohttp import WSMsgType, web

from tests.compat.support.process import Bot
from tests.support.waiting import within

from .support.conversation import Conversation
from .support.platform import Gateway, Platform, Webhook

TOKEN = "a token"
ME = {"platform": "scripted", "user_id": "10001"}
PERSON = "20002"
USER_AGENT = "OneBot/12 (scripted) tests/1.0"


class OneBot(Platform):
    """What an implementation of OneBot 12 does, however it is connected."""

    adapter = "nonebot.adapters.onebot.v12"

    def settings(self) -> dict[str, Any]:
        return {"onebot_v12_access_token": TOKEN}

    def make_event(self, kind: str, detail: str, more: dict[str, Any]) -> dict[str, Any]:
        number = next(self.numbers)
        common = {"id": f"event {number}", "time": 1_700_000_000.0 + number, "sub_type": ""}
        return {**common, "type": kind, "detail_type": detail, **more}

    def event(self, text: str) -> dict[str, Any]:
        """Make the event of a message from the person."""
        message = {
            "self": ME,
            "message_id": f"message {next(self.numbers)}",
            "message": [{"type": "text", "data": {"text": text}}],
            "alt_message": text,
            "user_id": PERSON,
        }
        return self.make_event("message", "private", message)

    def greetings(self) -> list[dict[str, Any]]:
        """Make the events that a WebSocket begins with: who connects, and which bots there are."""
        version = {"impl": "scripted", "version": "1.0", "onebot_version": "12"}
        status = {"good": True, "bots": [{"self": ME, "online": True}]}
        return [
            self.make_event("meta", "connect", {"version": version}),
            self.make_event("meta", "status_update", {"status": status}),
        ]

    async def act(self, call: dict[str, Any]) -> dict[str, Any]:
        """Take the bot's answer, and return the response to its action."""
        params = call["params"]
        assert (call["action"], call["self"]) == ("send_message", ME)
        assert (params["detail_type"], params["user_id"]) == ("private", PERSON)
        (segment,) = params["message"]
        assert segment["type"] == "text"
        await self.sent.put(segment["data"]["text"])
        data = {"message_id": "answer", "time": 1_700_000_000.0}
        echo = {"echo": call["echo"]} if "echo" in call else {}
        return {"status": "ok", "retcode": 0, "data": data, "message": "", **echo}

    async def answer_actions(self, ws: Any) -> None:
        """Answer the actions that come over a WebSocket, in the form that they have."""
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(json.dumps(await self.act(json.loads(message.data))))
            else:
                assert message.type is WSMsgType.BINARY
                await ws.send_bytes(msgpack.packb(await self.act(msgpack.unpackb(message.data))))


class Forward(OneBot, Gateway):
    """An implementation that the bot connects to."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.get("/", self.check_and_accept)]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "onebot_v12_ws_urls": [f"ws://127.0.0.1:{self.port}/"]}

    async def check_and_accept(self, request: web.Request) -> web.StreamResponse:
        """Refuse a wrong token before the handshake, as the protocol has it."""
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized
        return await self.accept(request)

    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        for greeting in self.greetings():
            await self.transmit(ws, greeting)
        self.welcome()
        await self.answer_actions(ws)


class ForwardMessagePack(Forward):
    """The same with actions as MessagePack: binary messages, both ways."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "onebot_v12_use_msgpack": True}


class Reverse(OneBot):
    """An implementation that connects to the bot; what restarts here has no server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bot: Bot | None = None
        self.connections = 0
        self._client: aiohttp.ClientSession | None = None
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        return []

    def connect(self, bot: Bot, token: str = TOKEN) -> Any:
        """Open a WebSocket to the bot, which names itself in the documents' headers."""
        assert self._client is not None
        headers = {
            "User-Agent": USER_AGENT,
            "Sec-WebSocket-Protocol": "12.scripted",
            "Authorization": f"Bearer {token}",
        }
        return self._client.ws_connect(bot.url("/onebot/v12/ws", scheme="ws"), headers=headers)

    async def start(self) -> None:
        self._client = aiohttp.ClientSession()

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
        self._ws = self._reader = None

    async def restart(self) -> None:
        """Come back when the bot has seen that the connection is gone."""
        await self.stop()
        assert self.bot is not None
        await self.bot.note("disconnected", self.connections)
        await self.start()

    async def say(self, bot: Bot, text: str) -> None:
        """Send an event, over a new connection if there is no connection yet."""
        if self._ws is None:
            self.bot, self._ws = bot, await self.connect(bot)
            self.connections += 1
            self._reader = asyncio.create_task(self._read(self._ws))
            for greeting in self.greetings():
                await self._ws.send_str(json.dumps(greeting))
        await self._ws.send_str(json.dumps(self.event(text)))

    async def _read(self, ws: Any) -> None:
        try:
            await self.answer_actions(ws)
        except AssertionError as error:
            self.complaints.append(repr(error))


class Http(OneBot, Webhook):
    """An implementation that posts its events, and has an HTTP server for actions."""

    path = "/onebot/v12/http"
    accepted = 204

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/", self.take_action)]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "onebot_v12_api_roots": {ME["user_id"]: f"{self.url}/"}}

    async def take_action(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.content_type == "application/json"
        return web.json_response(await self.act(await request.json()))

    def delivery(self, text: str) -> tuple[bytes, dict[str, str]]:
        return json.dumps(self.event(text)).encode(), {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "X-OneBot-Version": "12",
            "X-Impl": "scripted",
            "Authorization": f"Bearer {TOKEN}",
        }


class TestForwardWebSocket(Conversation):
    platform = Forward


class TestForwardWebSocketWithMessagePack(Conversation):
    platform = ForwardMessagePack


class TestReverseWebSocket(Conversation):
    platform = Reverse

    async def test_refuses_a_wrong_token(self, bot: Bot, there: Reverse) -> None:
        """Before it accepts, which is a refused handshake (403) to the implementation."""
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await within(there.connect(bot, "wrong"))
        assert caught.value.status == 403


class TestWebhook(Conversation):
    platform = Http
