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
import itertools
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

from .support.known import NOT_JSON
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


def ok(**data: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "ok", **data}


LEAK = suites.Known(
    "The adapter keeps access tokens in a cache of cashews, whose task nobody ends at the stop."
)
START = suites.Known(
    "The adapter asks Feishu for the bot's name in a startup hook, once; when Feishu cannot be"
    " reached the hook fails, and the bot ends."
)


class Feishu(suites.Suite):
    adapter = "nonebot.adapters.feishu"
    api = ("POST", "/open-apis/im/v1/messages")
    token = VERIFICATION_TOKEN
    check_leaks = False
    # A loaded machine needs half of it for the texts of nine million characters.
    patience = 60.0
    protocol: str
    numbers = itertools.count(1)

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        bot = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "encrypt_key": ENCRYPT_KEY,
            "verification_token": VERIFICATION_TOKEN,
            "protocol": self.protocol,
        }
        return {"feishu_api_base": platform.url, "feishu_bots": [bot]}

    def prepare(self, platform: testing.Platform) -> None:
        tokens = "/open-apis/auth/v3/tenant_access_token/internal"
        platform.on("POST", tokens).reply(self.give_token)
        platform.on("GET", "/open-apis/bot/v3/info").reply(self.tell_name)

    def give_token(self, call: testing.Call) -> Any:
        """Give an access token for the secret."""
        assert call.json == {"app_id": APP_ID, "app_secret": APP_SECRET}
        return ok(tenant_access_token=ACCESS_TOKEN, expire=7200)

    def tell_name(self, call: testing.Call) -> Any:
        self.check_token(call)
        bot = {
            "activate_status": 2,
            "app_name": "a bot",
            "avatar_url": "https://feishu.example/avatar.png",
            "ip_white_list": [],
            "open_id": "ou_bot",
        }
        return ok(bot=bot)

    def check_token(self, call: testing.Call) -> None:
        """Refuse a request without the access token."""
        assert call.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"

    def said(self, call: suites.Message) -> str | None:
        """Read the bot's answer, whose content is JSON in a string."""
        assert isinstance(call, testing.Call)
        self.check_token(call)
        assert call.query == {"receive_id_type": "open_id"}
        message = call.json
        assert (message["receive_id"], message["msg_type"]) == (PERSON, "text")
        text = json.loads(message["content"])["text"]
        assert isinstance(text, str)
        return text

    def result(self, call: suites.Message) -> Any:
        return ok(data={"message_id": "om_answer", "msg_type": "text"})

    def event(self, text: str) -> Any:
        """Make the event of a message from the person to the bot alone."""
        number = next(self.numbers)
        person = {"union_id": "on_8ed6", "user_id": "e33ggbyz", "open_id": PERSON}
        message = {
            "message_id": f"om_{number}",
            "create_time": "1609073151345",
            "chat_id": "oc_5ce6",
            "chat_type": "p2p",
            "message_type": "text",
            "content": json.dumps({"text": text}, ensure_ascii=False),
        }
        header = {
            "event_id": f"5e3702a84e847582be8db7fb7328{number:04}",
            "event_type": "im.message.receive_v1",
            "create_time": "1608725989000",
            "token": VERIFICATION_TOKEN,
            "app_id": APP_ID,
            "tenant_key": "2ca1d211f64f6438",
        }
        sender = {"sender_id": person, "sender_type": "user", "tenant_key": "2ca1d211f64f6438"}
        return {"schema": "2.0", "header": header, "event": {"sender": sender, "message": message}}


class TestWebhook(Feishu, suites.WebhookSuite):
    """Feishu with the address of a server."""

    path = f"/feishu/{APP_ID}"
    protocol = "http"
    known = {
        "test_a_start_without_the_platform_is_made_good": START,
        "test_a_stop_leaves_nothing_behind": LEAK,
        "test_garbage_is_refused": NOT_JSON,
    }

    async def post_with(
        self, event: Any, token: str | None, path: str | None = None, **options: Any
    ) -> testing.Answer:
        """Send an event, which has the token in it."""
        if not isinstance(event, bytes):
            event["header"]["token"] = token
        return await super().post_with(event, token, path, **options)

    def encode(self, event: Any) -> bytes:
        """Encrypt a body, but for what is no event."""
        if isinstance(event, bytes):
            return event
        return json.dumps({"encrypt": encrypt(json.dumps(event, ensure_ascii=False))}).encode()

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        timestamp, nonce = "1608725989", "a nonce"
        signed = (timestamp + nonce + ENCRYPT_KEY).encode() + body
        return {
            "Content-Type": "application/json",
            "X-Lark-Request-Timestamp": timestamp,
            "X-Lark-Request-Nonce": nonce,
            "X-Lark-Signature": hashlib.sha256(signed).hexdigest(),
        }

    @suites.scenario
    async def test_the_challenge_is_answered(self) -> None:
        """The request by which Feishu tries a new address is answered as its documents say."""
        challenge = {
            "challenge": "ajls384kdjx98XX",
            "token": VERIFICATION_TOKEN,
            "type": "url_verification",
        }
        async with self.running():
            answer = await self.post(self.encode(challenge))
            assert (answer.status, answer.json) == (200, {"challenge": "ajls384kdjx98XX"})

    @suites.scenario
    async def test_a_wrong_token_is_named(self) -> None:
        """An event with a wrong token is told that it is wrong."""
        async with self.running():
            answer = await self.post_with(self.event("/say no"), "wrong")
            assert (answer.status, answer.body) == (403, b"Verification token check failed")


class TestLongConnection(Feishu, suites.ForwardWebSocketSuite):
    """Feishu with a long connection: a WebSocket with Protocol Buffers both ways."""

    path = "/ws/v2"
    protocol = "ws"
    service = 300_000_001
    known = {
        "test_a_start_without_the_platform_is_made_good": START,
        "test_a_stop_leaves_nothing_behind": LEAK,
        "test_a_stop_closes_the_connection": suites.Known(
            "The adapter does not tell NoneBot2 that a bot is gone, so hooks of on_bot_disconnect"
            " are not called."
        ),
    }

    def prepare(self, platform: testing.Platform) -> None:
        super().prepare(platform)
        platform.on("POST", "/callback/ws/endpoint").reply(self.tell_gateway)

    def tell_gateway(self, call: testing.Call) -> Any:
        """Tell the bot where to connect to, and how often it shall ping."""
        assert call.json == {"AppID": APP_ID, "AppSecret": APP_SECRET}
        query = f"device_id=1&service_id={self.service}&ticket=a-ticket"
        url = f"{self.platform.ws_url}{self.path}?{query}"
        return ok(data={"URL": url, "ClientConfig": PING_CONFIG})

    async def greet(self, connection: testing.Connection) -> None:
        assert connection.call.query["ticket"] == "a-ticket"
        connection.on(None).reply(self.take_frame)

    def take_frame(self, message: testing.Received) -> bytes | None:
        """Check a frame of the bot, and answer its pings."""
        assert isinstance(message.data, bytes)
        frame = decode(message.data)
        assert frame[SERVICE] == [self.service]
        if frame[METHOD] == [CONTROL]:
            assert headers_of(frame)["type"] == "ping"
            return self.frame(CONTROL, "pong", PING_CONFIG)
        assert json.loads(bytes(frame[PAYLOAD][0]))["code"] == 200
        return None

    def event(self, text: str) -> Any:
        return self.frame(DATA, "event", super().event(text))

    def frame(self, method: int, kind: str, payload: dict[str, Any]) -> bytes:
        """Make a frame, of a message that has only this one."""
        text = json.dumps(payload, ensure_ascii=False)
        (frame,) = self.frames(method, kind, text.encode())
        return frame

    def frames(self, method: int, kind: str, *parts: bytes) -> list[bytes]:
        """Make the frames of a message, with a part of its payload in each."""
        number = next(self.numbers)
        headers = {"type": kind, "message_id": f"message {number}", "sum": str(len(parts))}
        return [
            encode(
                (SEQUENCE, number),
                (LOG, number),
                (SERVICE, self.service),
                (METHOD, method),
                *(
                    (HEADERS, encode((1, name.encode()), (2, value.encode())))
                    for name, value in {**headers, "seq": str(index)}.items()
                ),
                (PAYLOAD, part),
            )
            for index, part in enumerate(parts)
        ]

    @suites.scenario
    async def test_events_are_acknowledged(self) -> None:
        """A bot that has connected sends a ping, and acknowledges each event."""
        async with self.running():
            connection = await self.connect()
            await self.assert_answers("one")
            await self.assert_answers("two")
            for kind in ("ping", "event", "event"):
                await connection.expect(is_a(kind), deadline=self.patience)

    @suites.scenario
    async def test_an_event_in_two_frames_is_answered(self) -> None:
        """An event whose payload comes in two frames is put together."""
        async with self.running():
            connection = await self.connect()
            payload = json.dumps(super().event("/say whole")).encode()
            for frame in self.frames(DATA, "event", payload[:50], payload[50:]):
                await connection.send(frame)
            await self.answered("whole")


def headers_of(frame: Fields) -> dict[str, str]:
    pairs = (decode(header) for header in frame[HEADERS] if isinstance(header, bytes))
    return {bytes(pair[1][0]).decode(): bytes(pair[2][0]).decode() for pair in pairs}


def is_a(kind: str) -> Callable[[testing.Received], bool]:
    """Return what tells the bot's messages of a kind."""

    def decide(message: testing.Received) -> bool:
        assert isinstance(message.data, bytes)
        return headers_of(decode(message.data))["type"] == kind

    return decide
