"""The adapter for KOOK (Kaiheila): the compressed gateway, whose host the adapter has fixed.

So this is also a bot behind a proxy: API calls and gateway go through one that is named in the
environment, over TLS with a certificate of the tests' own authority.

The platform is written from KOOK's own documents:

- https://developer.kookapp.cn/doc/websocket (signals, compression, heartbeats)
- https://developer.kookapp.cn/doc/http/gateway (where the gateway is)
- https://developer.kookapp.cn/doc/event/message (events)
- https://developer.kookapp.cn/doc/http/message (answers)
- https://developer.kookapp.cn/doc/http/user (the bot itself)
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

from .support.known import CUT_OFF

API_HOST, GATEWAY_HOST = "www.kaiheila.cn", "ws.kaiheila.cn"
TOKEN = "1/MTAwMDE=/a-token"
ME = "2418200001"
PERSON = "2418200002"
CHANNEL = "4881820000000001"
EVENT, HELLO, PING, PONG = 0, 1, 2, 3


def ok(data: dict[str, Any]) -> dict[str, Any]:
    return {"code": 0, "message": "操作成功", "data": data}


def compressed(signal: dict[str, Any]) -> bytes:
    """Make a signal: JSON that zlib has compressed, in a binary message."""
    return zlib.compress(json.dumps(signal).encode())


class TestGateway(suites.ForwardWebSocketSuite):
    """KOOK's HTTP API and gateway, and a proxy on the way to them."""

    adapter = "nonebot.adapters.kaiheila"
    hosts = (API_HOST, GATEWAY_HOST)
    api = ("POST", "/api/v3/message/create")
    path = "/gateway"
    token = TOKEN
    # The adapter reads Markdown character by character, of which the huge text has nine million.
    patience = 60.0
    numbers = itertools.count(1)
    known = {"test_a_stop_lets_an_event_in_flight_end": CUT_OFF}

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"kaiheila_bots": [{"token": TOKEN}], "compress": True}

    def prepare(self, platform: testing.Platform) -> None:
        platform.on("GET", "/api/v3/gateway/index", host=API_HOST).reply(self.tell_gateway)
        platform.on("GET", "/api/v3/user/me", host=API_HOST).reply(self.tell_name)

    def tell_gateway(self, call: testing.Call) -> Any:
        """Tell the bot where the gateway is, and whether it compresses."""
        self.check_token(call)
        query = f"compress={call.query['compress']}&token={TOKEN}"
        return ok({"url": f"wss://{GATEWAY_HOST}{self.path}?{query}"})

    def tell_name(self, call: testing.Call) -> Any:
        self.check_token(call)
        return ok({"id": ME, "username": "a bot", "bot": True, "online": True, "status": 1})

    def check_token(self, call: testing.Call) -> None:
        """Refuse a request without the bot's token."""
        assert call.headers["authorization"] == f"Bot {TOKEN}"

    def said(self, call: suites.Message) -> str | None:
        """Read the bot's answer, a form."""
        assert isinstance(call, testing.Call)
        self.check_token(call)
        assert call.form["target_id"] == CHANNEL
        return call.form["content"]

    def result(self, call: suites.Message) -> Any:
        return ok({"msg_id": "answer", "msg_timestamp": 1_700_000_000_000, "nonce": ""})

    async def greet(self, connection: testing.Connection) -> None:
        assert connection.call.host == GATEWAY_HOST
        assert connection.call.query == {"compress": "1", "token": TOKEN}
        connection.on(None).reply(self.take_signal)
        hello = {"s": HELLO, "d": {"code": 0, "session_id": "a session"}}
        await connection.send(compressed(hello))

    def take_signal(self, message: testing.Received) -> bytes:
        """Answer a heartbeat; what comes from bots is not compressed."""
        assert isinstance(message.data, str)
        assert message.json["s"] == PING
        assert isinstance(message.json["sn"], int)
        return compressed({"s": PONG})

    def event(self, text: str) -> Any:
        number = next(self.numbers)
        author = {"id": PERSON, "username": "friend", "identify_num": "5618", "roles": []}
        extra = {
            "type": 9,
            "guild_id": "6016389914000000",
            "channel_name": "文字频道",
            "mention": [],
            "mention_all": False,
            "mention_roles": [],
            "mention_here": False,
            "nav_channels": [],
            "code": "",
            "author": {**author, "nickname": "friend", "online": True, "status": 1},
            "kmarkdown": {"raw_content": text, "mention_part": [], "mention_role_part": []},
            "channel_type": 1,
        }
        message = {
            "channel_type": "GROUP",
            "type": 9,
            "target_id": CHANNEL,
            "author_id": PERSON,
            "content": text,
            "msg_id": f"789c0b23-0000-0000-0000-{number:012}",
            "msg_timestamp": 1_613_996_877_757,
            "nonce": "",
            "extra": extra,
        }
        return compressed({"s": EVENT, "d": message, "sn": number})

    @suites.scenario
    async def test_each_connection_begins_with_a_heartbeat(self) -> None:
        """A bot that has been greeted sends a heartbeat, also over its next connection."""
        async with self.running():
            first = await self.connect()
            await first.expect({"s": PING}, deadline=self.patience)
            await first.fail(testing.Close(1000))
            await (await self.connect()).expect({"s": PING}, deadline=self.patience)
