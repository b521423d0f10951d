"""The adapter for Satori: events over WebSocket, answers over HTTP.

The platform is written from the protocol's own documents:

- https://satori.chat/zh-CN/protocol/events.html (signals, sessions that are resumed, events)
- https://satori.chat/zh-CN/protocol/api.html (the HTTP API and its headers)
- https://satori.chat/zh-CN/resources/message.html (messages)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.waiting import within

from .support.conversation import Conversation
from .support.platform import Gateway

TOKEN = "a token"
ME = {"id": "10001", "name": "a bot"}
PERSON = {"id": "20002", "name": "friend"}
CHANNEL = {"id": "private:20002", "type": 1}
EVENT, PING, PONG, IDENTIFY, READY = 0, 1, 2, 3, 4


class Satori(Gateway):
    """A Satori SDK with one login."""

    adapter = "nonebot.adapters.satori"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.resumed_at: list[int | None] = []
        """The sequence number that each introduction has named."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/v1/events", self.accept),
            web.post("/v1/message.create", self.take_message),
        ]

    def settings(self) -> dict[str, Any]:
        return {"satori_clients": [{"host": "127.0.0.1", "port": self.port, "token": TOKEN}]}

    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        introduction = await within(ws.receive_json())
        assert introduction["op"] == IDENTIFY
        assert introduction["body"]["token"] == TOKEN
        self.resumed_at.append(introduction["body"].get("sn"))
        await self.transmit(ws, {"op": READY, "body": {"logins": [self.login], "proxy_urls": []}})
        self.welcome()
        async for message in ws:
            assert message.type is WSMsgType.TEXT
            assert json.loads(message.data)["op"] == PING
            await self.transmit(ws, {"op": PONG})

    @property
    def login(self) -> dict[str, Any]:
        features = ["message.create"]
        return {
            "sn": 1,
            "adapter": "scripted",
            "platform": "scripted",
            "user": ME,
            "status": 1,
            "features": features,
        }

    async def take_message(self, request: web.Request) -> web.StreamResponse:
        """Take the bot's answer and return the messages that it has become."""
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.headers["Satori-Platform"] == "scripted"
        assert request.headers["Satori-User-ID"] == ME["id"]
        assert request.content_type == "application/json"
        message = await request.json()
        assert message["channel_id"] == CHANNEL["id"]
        await self.sent.put(message["content"])
        return web.json_response([{"id": "answer", "content": message["content"]}])

    def event(self, text: str) -> dict[str, Any]:
        number = next(self.numbers)
        body = {
            "sn": number,
            "type": "message-created",
            "timestamp": 1_700_000_000_000 + number,
            "login": {"sn": 1, "platform": "scripted", "user": ME},
            "channel": CHANNEL,
            "user": PERSON,
            "message": {"id": f"message {number}", "content": text},
        }
        return {"op": EVENT, "body": body}


class TestWebSocket(Conversation):
    platform = Satori

    def assert_seen(self, there: Satori) -> None:
        assert there.resumed_at == [None, 1]
