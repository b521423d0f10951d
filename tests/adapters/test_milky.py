"""The adapter for Milky: events over WebSocket or by webhook, answers over HTTP.

The platform is written from the protocol's own documents:

- https://milky.ntqqrev.org/guide/communication (the API, both ways of events, access tokens)
- https://milky.ntqqrev.org/struct/Event (events)
- https://milky.ntqqrev.org/api/message (answers)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from .support.conversation import Conversation
from .support.platform import Gateway, Platform, Webhook

TOKEN = "123456"
ME = 10001
PERSON = 20002


class Milky(Platform):
    """The HTTP API of a Milky implementation."""

    adapter = "nonebot.adapters.milky"

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/api/get_login_info", self.tell_name),
            web.post("/api/send_private_message", self.take_message),
        ]

    @property
    def client(self) -> dict[str, Any]:
        """The settings that tell the bot where the API is."""
        return {"host": "127.0.0.1", "port": self.port, "access_token": TOKEN}

    async def tell_name(self, request: web.Request) -> web.StreamResponse:
        assert await self.params(request) == {}
        return self.ok({"uin": ME, "nickname": "a bot"})

    async def take_message(self, request: web.Request) -> web.StreamResponse:
        params = await self.params(request)
        assert params["user_id"] == PERSON
        (segment,) = params["message"]
        assert segment["type"] == "text"
        await self.sent.put(segment["data"]["text"])
        return self.ok({"message_seq": 99, "time": 1_700_000_000})

    async def params(self, request: web.Request) -> dict[str, Any]:
        """Return the parameters of an API call, which are JSON even where there are none."""
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.content_type == "application/json"
        return dict(await request.json())

    def ok(self, data: dict[str, Any]) -> web.Response:
        return web.json_response({"status": "ok", "retcode": 0, "data": data})

    def event(self, text: str) -> dict[str, Any]:
        """Make the event of a message from the person, who is a friend."""
        number = next(self.numbers)
        friend = {
            "user_id": PERSON,
            "nickname": "friend",
            "sex": "unknown",
            "qid": "",
            "remark": "",
            "category": {"category_id": 0, "category_name": "friends"},
        }
        message = {
            "message_scene": "friend",
            "peer_id": PERSON,
            "message_seq": number,
            "sender_id": PERSON,
            "time": 1_700_000_000 + number,
            "segments": [{"type": "text", "data": {"text": text}}],
            "friend": friend,
        }
        return {
            "time": 1_700_000_000 + number,
            "self_id": ME,
            "event_type": "message_receive",
            "data": message,
        }


class MilkyWebSocket(Milky, Gateway):
    def routes(self) -> Iterable[web.RouteDef]:
        return [*super().routes(), web.get("/event", self.accept)]

    def settings(self) -> dict[str, Any]:
        return {"milky_clients": [self.client]}

    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        header = request.headers.get("Authorization", "").removeprefix("Bearer ")
        assert (header or request.query["access_token"]) == TOKEN
        self.welcome()
        async for message in ws:
            raise AssertionError(f"nothing is sent to a WebSocket for events: {message}")


class MilkyWebhook(Milky, Webhook):
    """Milky with the address of a webhook."""

    path = "/milky/"
    accepted = 204

    def settings(self) -> dict[str, Any]:
        return {"milky_webhook": self.client}

    def delivery(self, text: str) -> tuple[bytes, dict[str, str]]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        return json.dumps(self.event(text)).encode(), headers


class TestWebSocket(Conversation):
    platform = MilkyWebSocket


class TestWebhook(Conversation):
    platform = MilkyWebhook
