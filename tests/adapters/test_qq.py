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

import itertools
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

APP_ID = "11111111"
SECRET = "DG5g3B4j9X2KOErG"
TOKEN = "an access token"
PERSON = "E4F4AEA33253A2797FB897C50B81D7ED"
SESSION = "082ee18c-0be3-491b-9d8b-fbd95c51673a"
ME = {"id": "6158788878435714165", "username": "a bot", "bot": True}
GROUP_AND_C2C_EVENT = 1 << 25
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT = 0, 1, 2, 6, 7
INVALID, HELLO, ACKNOWLEDGED, CHALLENGE = 9, 10, 11, 13
numbers = itertools.count(1)


def dispatch(kind: str, data: Any) -> dict[str, Any]:
    """Make an event of a kind."""
    number = next(numbers)
    return {"op": DISPATCH, "id": f"{kind}:{number}", "d": data, "s": number, "t": kind}


class QQ(suites.Suite):
    adapter = "nonebot.adapters.qq"
    api = ("POST", f"/v2/users/{PERSON}/messages")
    use_websocket: bool

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        bot = {
            "id": APP_ID,
            "secret": SECRET,
            "intent": {"c2c_group_at_messages": True},
            "use_websocket": self.use_websocket,
        }
        return {
            "qq_api_base": f"{platform.url}/",
            "qq_auth_base": f"{platform.url}/app/getAppAccessToken",
            "qq_bots": [bot],
        }

    def prepare(self, platform: testing.Platform) -> None:
        platform.on(
            "POST",
            "/app/getAppAccessToken",
            json={"appId": APP_ID, "clientSecret": SECRET},
        ).reply(json={"access_token": TOKEN, "expires_in": "7200"})  # Text, as in the documents.
        platform.on("GET", "/users/@me").reply(self.tell_name)

    def tell_name(self, call: testing.Call) -> Any:
        self.check_token(call)
        return ME

    def check_token(self, call: testing.Call) -> None:
        """Assert that a request shows the access token."""
        assert call.headers["authorization"] == f"QQBot {TOKEN}"

    def event(self, text: str) -> Any:
        """Make the event of a message from the person to the bot alone."""
        message = {
            "author": {"id": PERSON, "user_openid": PERSON, "union_openid": PERSON},
            "content": text,
            "id": f"ROBOT1.0_{next(numbers)}",
            "timestamp": "2023-11-06T13:37:18+08:00",
        }
        return dispatch("C2C_MESSAGE_CREATE", message)

    def said(self, call: suites.Message) -> str | None:
        """Take the bot's answer, which has to name the message that it is for."""
        assert isinstance(call, testing.Call)
        self.check_token(call)
        said = call.json
        assert said["msg_type"] == 0
        assert said["msg_id"].startswith("ROBOT1.0_")
        assert said["msg_seq"] in (1, 2)  # The number of the answer to one message.
        text: str = said["content"]
        return text

    def result(self, call: suites.Message) -> Any:
        return {"id": "ROBOT1.0_answer", "timestamp": 1_700_000_000}


def key_of(secret: str) -> Ed25519PrivateKey:
    """Make the key of both sides' signatures: the secret, repeated to 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes((secret * 32).encode()[:32])


def test_the_key_is_that_of_the_documents() -> None:
    public = key_of("naOC0ocQE3shWLAfffVLB1rhYPG7").public_key().public_bytes_raw()
    assert public.hex() == "d7c362fe78aef81ff23287b493628b5db02a3c4fe30b215e4d19609b5d76673a"


class TestWebhook(QQ, suites.WebhookSuite):
    use_websocket = False
    path = "/qq/webhook"
    token = SECRET

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        timestamp = "1725442341"
        signature = {}
        if token is not None:
            signed = key_of(token).sign(timestamp.encode() + body).hex()
            signature["X-Signature-Ed25519"] = signed
            signature["X-Signature-Timestamp"] = timestamp
        return {"User-Agent": "QQBot-Callback", "X-Bot-Appid": APP_ID, **signature}

    @suites.scenario
    async def test_the_challenge_of_the_documents_is_answered(self) -> None:
        """A new callback address is asked to sign, and nothing is signed for it."""
        challenge = {"plain_token": "Arq0D5A61EgUu4OxUvOp", "event_ts": "1725442341"}
        async with self.running():
            answer = await self.post_with({"d": challenge, "op": CHALLENGE}, None)
        assert (answer.status, answer.json) == (
            200,
            {
                "plain_token": "Arq0D5A61EgUu4OxUvOp",
                "signature": "87befc99c42c651b3aac0278e71ada338433ae26fcb24307bdc5ad38c1adc2d0"
                "1bcfcadc0842edac85e85205028a1132afe09280305f13aa6909ffc2d652c706",
            },
        )

    @suites.scenario
    async def test_half_a_signature_and_one_of_another_body_are_refused(self) -> None:
        """Each of the headers is needed, and the signature is one of the body."""
        body = self.encode(self.event("/say no"))
        signed = self.headers(body, self.token)
        async with self.running() as bot:
            for name in ("X-Bot-Appid", "X-Signature-Ed25519", "X-Signature-Timestamp"):
                less = {key: value for key, value in signed.items() if key != name}
                answer = await self.platform.post(bot.url(self.path), body=body, headers=less)
                assert answer.status == 403, name
            other = body.replace(b"no", b"yes")
            answer = await self.platform.post(bot.url(self.path), body=other, headers=signed)
            assert (answer.status, answer.text) == (403, "Invalid signature")


class TestGateway(QQ, suites.ForwardWebSocketSuite):
    """QQ with a gateway, whose sessions outlive its connections."""

    use_websocket = True
    path = "/websocket"
    known = {
        "test_a_start_without_the_platform_is_made_good": suites.Known(
            "The adapter asks for the gateway once, when the bot starts."
        ),
    }

    def prepare(self, platform: testing.Platform) -> None:
        super().prepare(platform)
        platform.on("GET", "/gateway/bot").reply(self.tell_gateway)

    def tell_gateway(self, call: testing.Call) -> Any:
        self.check_token(call)
        limit = {"total": 9, "remaining": 9, "reset_after": 86400000, "max_concurrency": 1}
        url = f"{self.platform.ws_url}{self.path}"
        return {"url": url, "shards": 1, "session_start_limit": limit}

    async def greet(self, connection: testing.Connection) -> None:
        connection.on({"op": HEARTBEAT}).reply({"op": ACKNOWLEDGED})
        await connection.send({"op": HELLO, "d": {"heartbeat_interval": 200}})
        introduction = await connection.expect(deadline=self.patience)
        await connection.send(self.welcome(introduction.json))

    def welcome(self, introduction: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an introduction: that of a new session, or of one that is resumed."""
        op, said = introduction["op"], introduction["d"]
        assert said["token"] == f"QQBot {TOKEN}"
        if op == RESUME:
            assert (said["session_id"], type(said["seq"])) == (SESSION, int)
            return dispatch("RESUMED", "")
        assert op == IDENTIFY
        assert said["intents"] & GROUP_AND_C2C_EVENT
        assert said["shard"] == [0, 1]
        ready = {"version": 1, "session_id": SESSION, "user": ME, "shard": [0, 1]}
        return dispatch("READY", ready)

    def introductions(self) -> list[int]:
        """Return what the connections so far have begun with."""
        return [each.messages[0].json["op"] for each in self.platform.connections]

    @suites.scenario
    async def test_heartbeats_have_the_number_of_the_last_event(self) -> None:
        """Heartbeats come in the interval of HELLO, and each is acknowledged."""
        async with self.running():
            connection = await self.current()
            event = self.event("/say beat")
            await self.send(event)
            for _ in range(2):
                await connection.expect({"op": HEARTBEAT, "d": event["s"]}, deadline=self.patience)

    @suites.scenario
    async def test_a_session_is_resumed(self) -> None:
        """After RECONNECT the session goes on over another connection."""
        async with self.running():
            connection = await self.current()
            await connection.send({"op": RECONNECT})
            await connection.closed(deadline=self.patience)
            await self.assert_answers("again")
        assert self.introductions() == [IDENTIFY, RESUME]

    @suites.scenario
    async def test_a_session_that_is_invalid_is_begun_anew(self) -> None:
        """After INVALID SESSION the bot identifies itself again."""
        async with self.running():
            connection = await self.current()
            await connection.send({"op": INVALID, "d": False})
            await connection.closed(deadline=self.patience)
            await self.assert_answers("again")
        assert self.introductions() == [IDENTIFY, IDENTIFY]
