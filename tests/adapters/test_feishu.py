"""The adapter for Feishu (Lark): the encrypted webhook, and the long connection.

The platform is written from Feishu's own documents:

- https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/choose-a-subscription-mode/send-notifications-to-developers-server
  (webhook and its challenge)
- https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case
  (encryption and signatures)
- https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
  (tokens)
- https://open.feishu.cn/document/client-docs/bot-v3/obtain-bot-info (the bot itself)
- https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/events/receive
  (events)
- https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/create (answers)
- https://github.com/larksuite/oapi-sdk-go/tree/v3_main/ws (frames of the long connection, whose
  only document is Feishu's SDK)
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from tests.compat.support.process import Bot

from .support.conversation import Conversation
from .support.platform import Gateway, Platform, Webhook
from .support.protobuf import Fields, decode, encode

APP_ID = "cli_a1b2c3"
APP_SECRET = "an app's secret"
ENCRYPT_KEY = "test key"
VERIFICATION_TOKEN = "a verification token"
ACCESS_TOKEN = "t-access"
PERSON = "ou_84aad35d084aa403a838cf73ee18467"

# The numbers of a frame's fields, and its methods.
SEQUENCE, LOG, SERVICE, METHOD, HEADERS, PAYLOAD = 1, 2, 3, 4, 5, 8
CONTROL, DATA = 0, 1
PING_CONFIG = {
    "PingInterval": 120,
    "ReconnectCount": -1,
    "ReconnectInterval": 120,
    "ReconnectNonce": 30,
}


def encrypt(text: str) -> str:
    """Encrypt a body with AES-256-CBC, as Feishu does."""
    key, start = hashlib.sha256(ENCRYPT_KEY.encode()).digest(), os.urandom(16)
    padder, encryptor = (
        PKCS7(128).padder(),
        Cipher(algorithms.AES(key), modes.CBC(start)).encryptor(),
    )
    padded = padder.update(text.encode()) + padder.finalize()
    return base64.b64encode(start + encryptor.update(padded) + encryptor.finalize()).decode()


def ok(**data: Any) -> web.Response:
    return web.json_response({"code": 0, "msg": "ok", **data})


class Feishu(Platform):
    adapter = "nonebot.adapters.feishu"
    protocol: str

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/open-apis/auth/v3/tenant_access_token/internal", self.give_token),
            web.get("/open-apis/bot/v3/info", self.tell_name),
            web.post("/open-apis/im/v1/messages", self.take_message),
        ]

    def settings(self) -> dict[str, Any]:
        bot = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "encrypt_key": ENCRYPT_KEY,
            "verification_token": VERIFICATION_TOKEN,
            "protocol": self.protocol,
        }
        return {"feishu_api_base": self.url, "feishu_bots": [bot]}

    async def give_token(self, request: web.Request) -> web.StreamResponse:
        """Give an access token for the secret."""
        assert await request.json() == {"app_id": APP_ID, "app_secret": APP_SECRET}
        return ok(tenant_access_token=ACCESS_TOKEN, expire=7200)

    async def tell_name(self, request: web.Request) -> web.StreamResponse:
        self.check_token(request)
        bot = {
            "activate_status": 2,
            "app_name": "a bot",
            "avatar_url": "https://feishu.example/avatar.png",
            "ip_white_list": [],
            "open_id": "ou_bot",
        }
        return ok(bot=bot)

    async def take_message(self, request: web.Request) -> web.StreamResponse:
        """Take the bot's answer, whose content is JSON in a string."""
        self.check_token(request)
        message = await request.json()
        assert dict(request.query) == {"receive_id_type": "open_id"}
        assert (message["receive_id"], message["msg_type"]) == (PERSON, "text")
        await self.sent.put(json.loads(message["content"])["text"])
        return ok(data={"message_id": "om_answer", "msg_type": "text"})

    def check_token(self, request: web.Request) -> None:
        """Refuse a request without the access token."""
        assert request.headers["Authorization"] == f"Bearer {ACCESS_TOKEN}"

    def event(self, text: str, token: str = VERIFICATION_TOKEN) -> dict[str, Any]:
        """Make the event of a message from the person to the bot alone."""
        number = next(self.numbers)
        person = {"union_id": "on_8ed6", "user_id": "e33ggbyz", "open_id": PERSON}
        message = {
            "message_id": f"om_{number}",
            "create_time": "1609073151345",
            "chat_id": "oc_5ce6",
            "chat_type": "p2p",
            "message_type": "text",
            "content": json.dumps({"text": text}),
        }
        header = {
            "event_id": f"5e3702a84e847582be8db7fb7328{number:04}",
            "event_type": "im.message.receive_v1",
            "create_time": "1608725989000",
            "token": token,
            "app_id": APP_ID,
            "tenant_key": "2ca1d211f64f6438",
        }
        sender = {"sender_id": person, "sender_type": "user", "tenant_key": "2ca1d211f64f6438"}
        return {"schema": "2.0", "header": header, "event": {"sender": sender, "message": message}}


class FeishuWebhook(Feishu, Webhook):
    """Feishu with the address of a server."""

    path = f"/feishu/{APP_ID}"
    protocol = "http"

    def delivery(self, text: str) -> tuple[bytes, dict[str, str]]:
        return self.encrypted(self.event(text))

    def encrypted(self, event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Make the body and the headers of an encrypted request, which is signed as well."""
        body = json.dumps({"encrypt": encrypt(json.dumps(event))}).encode()
        timestamp, nonce = "1608725989", "a nonce"
        signed = (timestamp + nonce + ENCRYPT_KEY).encode() + body
        return body, {
            "Content-Type": "application/json",
            "X-Lark-Request-Timestamp": timestamp,
            "X-Lark-Request-Nonce": nonce,
            "X-Lark-Signature": hashlib.sha256(signed).hexdigest(),
        }


class FeishuGateway(Feishu, Gateway):
    """Feishu with a long connection: a WebSocket with Protocol Buffers both ways."""

    protocol = "ws"
    service = 300_000_001

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.acknowledged: list[str] = []
        """The types of the messages that the bot has acknowledged."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            *super().routes(),
            web.post("/callback/ws/endpoint", self.tell_gateway),
            web.get("/ws/v2", self.accept),
        ]

    async def tell_gateway(self, request: web.Request) -> web.StreamResponse:
        """Tell the bot where to connect to, and how often it shall ping."""
        assert await request.json() == {"AppID": APP_ID, "AppSecret": APP_SECRET}
        query = f"device_id=1&service_id={self.service}&ticket=a-ticket"
        url = f"ws://127.0.0.1:{self.port}/ws/v2?{query}"
        return ok(data={"URL": url, "ClientConfig": PING_CONFIG})

    async def converse(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        assert request.query["ticket"] == "a-ticket"
        self.welcome()
        async for message in ws:
            assert message.type is WSMsgType.BINARY
            frame = decode(message.data)
            assert frame[SERVICE] == [self.service]
            kind = headers_of(frame)["type"]
            if frame[METHOD] == [CONTROL]:
                assert kind == "ping"
                await ws.send_bytes(self.frame(CONTROL, "pong", PING_CONFIG))
            else:
                assert json.loads(bytes(frame[PAYLOAD][0]))["code"] == 200
                self.acknowledged.append(kind)

    async def transmit(self, ws: web.WebSocketResponse, payload: dict[str, Any]) -> None:
        await ws.send_bytes(self.frame(DATA, "event", payload))

    def frame(self, method: int, kind: str, payload: dict[str, Any]) -> bytes:
        """Make a frame, of a message that has only this one."""
        number = next(self.numbers)
        headers = {"type": kind, "message_id": f"message {number}", "sum": "1", "seq": "0"}
        return encode(
            (SEQUENCE, number),
            (LOG, number),
            (SERVICE, self.service),
            (METHOD, method),
            *((HEADERS, encode((1, k.encode()), (2, v.encode()))) for k, v in headers.items()),
            (PAYLOAD, json.dumps(payload).encode()),
        )


def headers_of(frame: Fields) -> dict[str, str]:
    pairs = (decode(header) for header in frame[HEADERS] if isinstance(header, bytes))
    return {bytes(pair[1][0]).decode(): bytes(pair[2][0]).decode() for pair in pairs}


class TestLongConnection(Conversation):
    platform = FeishuGateway

    def assert_seen(self, there: FeishuGateway) -> None:
        assert there.acknowledged[:2] == ["event", "event"]


class TestWebhook(Conversation):
    platform = FeishuWebhook

    async def test_answers_the_challenge_and_refuses_a_wrong_token(
        self, bot: Bot, there: FeishuWebhook
    ) -> None:
        challenge = {
            "challenge": "ajls384kdjx98XX",
            "token": VERIFICATION_TOKEN,
            "type": "url_verification",
        }
        status, answer = await there.post(bot, *there.encrypted(challenge))
        assert (status, json.loads(answer)) == (200, {"challenge": "ajls384kdjx98XX"})
        request = there.encrypted(there.event("/say no", "wrong"))
        assert await there.post(bot, *request) == (403, b"Verification token check failed")
