"""The adapter for Milky: events over WebSocket or by webhook, answers over HTTP.

The platform is written from the protocol's own documents:

- https://milky.ntqqrev.org/guide/communication (the API, both ways of events, access tokens)
- https://milky.ntqqrev.org/struct/Event (events)
- https://milky.ntqqrev.org/api/message (answers)
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites
from nonebot_aiohttp.testing.suites.base import scenario

from .support.known import NOT_JSON

ME = 10001
PERSON = 20002
numbers = itertools.count(1)


def ok(data: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ok", "retcode": 0, "data": data}


class Milky(suites.Suite):
    """The HTTP API of a Milky implementation."""

    adapter = "nonebot.adapters.milky"
    api = ("POST", "/api/send_private_message")

    def prepare(self, platform: testing.Platform) -> None:
        platform.on("POST", "/api/get_login_info").reply(self.tell_name)

    def client(self, platform: testing.Platform) -> dict[str, Any]:
        """Return the settings that tell the bot where the API is."""
        return {"host": "127.0.0.1", "port": platform.port, "access_token": self.token}

    def params(self, call: suites.base.Message) -> dict[str, Any]:
        """Return the parameters of an API call, which are JSON even where there are no others."""
        assert isinstance(call, testing.Call)
        assert call.headers["authorization"] == f"Bearer {self.token}"
        assert call.content_type == "application/json"
        return dict(call.json)

    def tell_name(self, call: testing.Call) -> dict[str, Any]:
        assert self.params(call) == {}
        return ok({"uin": ME, "nickname": "a bot"})

    def said(self, call: suites.base.Message) -> str | None:
        params = self.params(call)
        assert params["user_id"] == PERSON
        (segment,) = params["message"]
        assert segment["type"] == "text"
        return str(segment["data"]["text"])

    def result(self, call: suites.base.Message) -> Any:
        return ok({"message_seq": 99, "time": 1_700_000_000})

    def event(self, text: str) -> Any:
        """Make the event of a message from the person, who is a friend."""
        number = next(numbers)
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


class TestWebSocket(Milky, suites.ForwardWebSocketSuite):
    path = "/event"

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"milky_clients": [self.client(platform)]}

    async def greet(self, connection: testing.Connection) -> None:
        call = connection.call
        header = call.headers.get("authorization", "").removeprefix("Bearer ")
        assert (header or call.query["access_token"]) == self.token
        connection.on(lambda message: True).reply(self.complain)

    def complain(self, message: testing.Received) -> None:
        raise AssertionError(f"nothing is sent to a WebSocket for events: {message.text}")


class TestWebhook(Milky, suites.WebhookSuite):
    """Milky with the address of a webhook."""

    path = "/milky/"
    known = {
        "test_garbage_is_refused": NOT_JSON,
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"milky_webhook": self.client(platform)}

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return {"Content-Type": "application/json", **shown}

    @scenario
    async def test_an_event_is_answered_204(self) -> None:
        """The bot has nothing to say in the answer to the webhook itself."""
        async with self.running():
            assert (await self.post(self.event("/say yes"))).status == 204
            await self.answered("yes")
