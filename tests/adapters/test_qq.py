"""The adapter for QQ's official bots: the webhook, and the gateway.

The platform is written from QQ's own documents, which have examples of signatures, too:

- https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html (tokens)
- https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html (webhook,
  challenge, gateway)
- https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/sign.html (signatures)
- https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/event.html (events)
- https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/send.html (answers)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.compat.support.process import Bot
from tests.support.waiting import within

from .support.conversation import Conversation
from .support.platform import Gateway, Platform, Webhook

APP_ID = "11111111"
SECRET = "DG5g3B4j9X2KOErG"
TOKEN = "an access token"
PERSON = "E4F4AEA33253A2797FB897C50B81D7ED"
ME = {"id": "6158788878435714165", "username": "a bot", "bot": True}
GROUP_AND_C2C_EVENT = 1 << 25
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, HELLO, ACKNOWLEDGED, CHALLENGE = 0, 1, 2, 6, 10, 11, 13


class QQ(Platform):
    adapter = "nonebot.adapters.qq"
    use_websocket: bool

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/app/getAppAccessToken", self.give_token),
            web.get("/users/@me", self.tell_name),
            web.post("/v2/users/{openid}/messages", self.take_message),
        ]

    def settings(self) -> dict[str, Any]:
        bot = {
            "id": APP_ID,
            "secret": SECRET,
            "intent": {"c2c_group_at_messages": True},
            "use_websocket": self.use_websocket,
        }
        return {
            "qq_api_base": f"{self.url}/",
            "qq_auth_base": f"{self.url}/app/getAppAccessToken",
            "qq_bots": [bot],
        }

    async def give_token(self, request: web.Request) -> web.StreamResponse:
        """Give an access token for the secret; the time is text, as in the documents."""
        assert await request.json() == {"appId": APP_ID, "clientSecret": SECRET}
        return web.json_response({"access_token": TOKEN, "expires_in": "7200"})

    async def tell_name(self, request: web.Request) -> web.StreamResponse:
        self.check_token(request)
        return web.json_response(ME)

    async def take_message(self, request: web.Request) -> web.StreamResponse:
        """Take the bot's answer, which has to name the message that it is for."""
        self.check_token(request)
        message = await request.json()
        assert request.match_info["openid"] == PERSON
        assert (message["msg_type"], message["msg_seq"]) == (0, 1)
        assert message["msg_id"].startswith("ROBOT1.0_")
        await self.sent.put(message["content"])
        return web.json_response({"id": "ROBOT1.0_answer", "timestamp": 1_700_000_000})

    def check_token(self, request: web.Request) -> None:
        """Refuse a request without the access token."""
        assert request.headers["Authorization"] == f"QQBot {TOKEN}"

    def event(self, text: str) -> dict[str, Any]:
        """Make the event of a message from the person to the bot alone."""
        number = next(self.numbers)
        message = {
            "author": {"id": PERSON, "user_openid": PERSON, "union_openid": PERSON},
            "content": text,
            "id": f"ROBOT1.0_{number}",
            "timestamp": "2023-11-06T13:37:18+08:00",
        }
        return {
            "op": DISPATCH,
            "id": f"C2C_MESSAGE_CREATE:{number}",
            "d": message,
            "s": number,
            "t": "C2C_MESSAGE_CREATE",
        }


def key_of(secret: str) -> Ed25519PrivateKey:
    """Make the key of both sides' signatures: the secret, repeated to 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes((secret * 32).encode()[:32])


class QQWebhook(QQ, Webhook):
    """QQ with a callback address."""

    path = "/qq/webhook"
    use_websocket = False

    def delivery(self, text: str) -> tuple[bytes, dict[str, str]]:
        body = json.dumps(self.event(text)).encode()
        timestamp = "1725442341"
        signature = key_of(SECRET).sign(timestamp.encode() + body).hex()
        return body, {
            "User-Agent": "QQBot-Callback",
            "X-Bot-Appid": APP_ID,
            "X-Signature-Ed25519": signature,
            "X-Signature-Timestamp": timestamp,
        }


def test_the_key_is_that_of_the_documents() -> None:
    public = key_of("naOC0ocQE3shWLAfffVLB1rhYPG7").public_key().public_bytes_raw()
    assert public.hex() == "d7c362fe78aef81ff23287b493628b5db02a3c4fe30b215e4d19609b5d76673a"


class TestWebhook(Conversation):
    platform = QQWebhook

    async def test_answers_the_challenge_of_the_documents_and_refuses_what_is_not_signed(
        self, bot: Bot, there: QQWebhook
    ) -> None:
        challenge = {"plain_token": "Arq0D5A61EgUu4OxUvOp", "event_ts": "1725442341"}
        headers = {"User-Agent": "QQBot-Callback", "X-Bot-Appid": APP_ID}
        body = json.dumps({"d": challenge, "op": CHALLENGE}).encode()
        status, answer = await there.post(bot, body, headers)
        assert (status, json.loads(answer)) == (
            200,
            {
                "plain_token": "Arq0D5A61EgUu4OxUvOp",
                "signature": "87befc99c42c651b3aac0278e71ada338433ae26fcb24307bdc5ad38c1adc2d0"
                "1bcfcadc0842edac85e85205028a1132afe09280305f13aa6909ffc2d652c706",
            },
        )
        body, headers = there.delivery("/say no")
        for name in ("X-Bot-Appid", "X-Signature-Ed25519", "X-Signature-Timestamp"):
            less = {key: value for key, value in headers.items() if key != name}
            assert (await there.post(bot, body, less))[0] == 403, name
        status, answer = await there.post(bot, body.replace(b"no", b"yes"), headers)
        assert (status, answer) == (403, b"Invalid signature")


class QQGateway(QQ, Gateway):
    """QQ with a gateway, whose sessions outlive its restart."""

    use_websocket = True
    session = "082ee18c-0be3-491b-9d8b-fbd95c51673a"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.introductions: list[int] = []
        """The opcodes that connections have begun with."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            *super().routes(),
            web.get("/gateway/bot", self.tell_gateway),
            web.get("/websocket", self.accept),
        ]

    async def tell_gateway(self, request: web.Request) -> web.StreamResponse:
        self.check_token(request)
        limit = {"total": 9, "remaining": 9, "reset_after": 86400000, "max_concurrency": 1}
        url = f"ws://127.0.0.1:{self.port}/websocket"
        return web.json_response({"url": url, "shards": 1, "session_start_limit": limit})

    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        await self.transmit(ws, {"op": HELLO, "d": {"heartbeat_interval": 200}})
        introduction = await within(ws.receive_json())
        self.introductions.append(introduction["op"])
        await self.transmit(ws, self.greeting(introduction["op"], introduction["d"]))
        self.welcome()
        async for message in ws:
            assert message.type is WSMsgType.TEXT
            payload = json.loads(message.data)
            assert payload["op"] == HEARTBEAT
            await self.transmit(ws, {"op": ACKNOWLEDGED})

    def greeting(self, op: int, introduction: dict[str, Any]) -> dict[str, Any]:
        """Answer an introduction: that of a new session, or of one that is resumed."""
        assert introduction["token"] == f"QQBot {TOKEN}"
        if op == RESUME:
            assert introduction["session_id"] == self.session
            return {"op": DISPATCH, "s": next(self.numbers), "t": "RESUMED", "d": ""}
        assert op == IDENTIFY
        assert introduction["intents"] & GROUP_AND_C2C_EVENT
        assert introduction["shard"] == [0, 1]
        ready = {"version": 1, "session_id": self.session, "user": ME, "shard": [0, 1]}
        return {"op": DISPATCH, "s": next(self.numbers), "t": "READY", "d": ready}


class TestGateway(Conversation):
    platform = QQGateway

    def assert_seen(self, there: QQGateway) -> None:
        assert there.introductions == [IDENTIFY, RESUME]
