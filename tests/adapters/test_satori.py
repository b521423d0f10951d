"""The adapter for Satori: events over WebSocket, answers over HTTP.

The platform is written from the protocol's own documents:

- https://satori.chat/zh-CN/protocol/events.html (signals, sessions that are resumed, events)
- https://satori.chat/zh-CN/protocol/api.html (the HTTP API and its headers)
- https://satori.chat/zh-CN/resources/message.html (messages)
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites
from nonebot_aiohttp.testing.suites import Known
from nonebot_aiohttp.testing.suites.base import scenario

ME = {"id": "10001", "name": "a bot"}
PERSON = {"id": "20002", "name": "friend"}
CHANNEL = {"id": "private:20002", "type": 1}
LOGIN = {
    "sn": 1,
    "adapter": "scripted",
    "platform": "scripted",
    "user": ME,
    "status": 1,
    "features": ["message.create"],
}
EVENT, PING, PONG, IDENTIFY, READY = 0, 1, 2, 3, 4
numbers = itertools.count(1)


class TestWebSocket(suites.ForwardWebSocketSuite):
    """A Satori SDK with one login."""

    adapter = "nonebot.adapters.satori"
    path = "/v1/events"
    api = ("POST", "/v1/message.create")
    check_leaks = False
    known = {
        "test_a_stop_leaves_nothing_behind": Known(
            "The adapter does not close the HTTP session that it opens for each login."
        ),
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        client = {"host": "127.0.0.1", "port": platform.port, "token": self.token}
        return {"satori_clients": [client]}

    async def greet(self, connection: testing.Connection) -> None:
        introduction = (await connection.expect()).json
        assert introduction["op"] == IDENTIFY
        assert introduction["body"]["token"] == self.token
        connection.on({"op": PING}).reply({"op": PONG})
        await connection.send({"op": READY, "body": {"logins": [LOGIN], "proxy_urls": []}})

    def event(self, text: str) -> Any:
        number = next(numbers)
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

    def said(self, call: suites.base.Message) -> str | None:
        assert isinstance(call, testing.Call)
        assert call.headers["authorization"] == f"Bearer {self.token}"
        assert call.headers["satori-platform"] == "scripted"
        assert call.headers["satori-user-id"] == ME["id"]
        assert call.content_type == "application/json"
        assert call.json["channel_id"] == CHANNEL["id"]
        return str(call.json["content"])

    def result(self, call: suites.base.Message) -> Any:
        """Return the messages that the bot's answer has become."""
        return [{"id": "answer", "content": call.json["content"]}]

    @scenario
    async def test_a_session_is_resumed(self) -> None:
        """After a restart the introduction names the last event that has come."""
        async with self.running():
            first = await self.connect()
            event = self.event("/say before")
            await self.send(event)
            await self.heard("before")
            await self.platform.restart()
            second = await self.connect()
            await self.assert_answers("after")
        assert first.messages[0].json["body"].get("sn") is None
        assert second.messages[0].json["body"]["sn"] == event["body"]["sn"]
