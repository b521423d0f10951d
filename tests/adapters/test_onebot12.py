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

import itertools
from collections.abc import Mapping
from typing import Any

import msgpack

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites
from nonebot_aiohttp.testing.suites import Known
from nonebot_aiohttp.testing.suites.base import scenario

from .support.known import CLOSED, MEBIBYTE, NOT_JSON

ME = {"platform": "scripted", "user_id": "10001"}
PERSON = "20002"
USER_AGENT = "OneBot/12 (scripted) tests/1.0"
numbers = itertools.count(1)


def make_event(kind: str, detail: str, more: dict[str, Any]) -> dict[str, Any]:
    number = next(numbers)
    common = {"id": f"event {number}", "time": 1_700_000_000.0 + number, "sub_type": ""}
    return {**common, "type": kind, "detail_type": detail, **more}


class OneBot12(suites.Suite):
    """What an implementation of OneBot 12 does, however it is connected."""

    adapter = "nonebot.adapters.onebot.v12"

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"onebot_v12_access_token": self.token}

    def event(self, text: str) -> Any:
        message = {
            "self": ME,
            "message_id": f"message {next(numbers)}",
            "message": [{"type": "text", "data": {"text": text}}],
            "alt_message": text,
            "user_id": PERSON,
        }
        return make_event("message", "private", message)

    def action(self, call: suites.base.Message) -> dict[str, Any]:
        """Read an action."""
        action: dict[str, Any] = call.json
        return action

    def said(self, call: suites.base.Message) -> str | None:
        action = self.action(call)
        params = action["params"]
        assert (action["action"], action["self"]) == ("send_message", ME)
        assert (params["detail_type"], params["user_id"]) == ("private", PERSON)
        text = ""
        for segment in params["message"]:
            assert segment["type"] == "text"
            text += segment["data"]["text"]
        return text

    def result(self, call: suites.base.Message) -> Any:
        action = self.action(call)
        data = {"message_id": "answer", "time": 1_700_000_000.0}
        echo = {"echo": action["echo"]} if "echo" in action else {}
        return {"status": "ok", "retcode": 0, "data": data, "message": "", **echo}

    async def greet(self, connection: testing.Connection) -> None:
        """Begin a WebSocket: tell who connects, and which bots there are."""
        version = {"impl": "scripted", "version": "1.0", "onebot_version": "12"}
        status = {"good": True, "bots": [{"self": ME, "online": True}]}
        await connection.send(make_event("meta", "connect", {"version": version}))
        await connection.send(make_event("meta", "status_update", {"status": status}))


class TestForward(OneBot12, suites.ForwardWebSocketSuite):
    """An implementation that the bot connects to."""

    known = {
        "test_a_large_event_is_answered": MEBIBYTE,
        "test_a_stop_lets_an_event_in_flight_end": CLOSED,
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {**super().settings(platform), "onebot_v12_ws_urls": [f"{platform.ws_url}/"]}

    async def greet(self, connection: testing.Connection) -> None:
        assert connection.call.headers["authorization"] == f"Bearer {self.token}"
        await super().greet(connection)


class MessagePack(TestForward):
    """The same with actions as MessagePack: binary messages, both ways."""

    __test__ = False

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {**super().settings(platform), "onebot_v12_use_msgpack": True}

    def action(self, call: suites.base.Message) -> dict[str, Any]:
        assert isinstance(call, testing.Received)
        assert isinstance(call.data, bytes)
        action: dict[str, Any] = msgpack.unpackb(call.data)
        return action

    def result(self, call: suites.base.Message) -> Any:
        return msgpack.packb(super().result(call))


class TestForwardWithMessagePack:
    """One test of the suite: what differs is the form of the actions."""

    drivers = None
    known: Mapping[str, Known] = {}
    pytest_generate_tests = suites.Suite.pytest_generate_tests

    def test_a_platform_that_restarts_is_found_again(self, driver: str) -> None:
        MessagePack().test_a_platform_that_restarts_is_found_again(driver)


class TestReverse(OneBot12, suites.ReverseWebSocketSuite):
    """An implementation that connects to the bot."""

    path = "/onebot/v12/ws"
    known = {
        "test_a_stop_lets_an_event_in_flight_end": CLOSED,
    }

    def handshake(self, token: str | None) -> Mapping[str, str]:
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        named = {"User-Agent": USER_AGENT, "Sec-WebSocket-Protocol": "12.scripted"}
        return {**named, **shown}

    @scenario
    async def test_a_wrong_token_is_refused_with_403(self) -> None:
        """Before it accepts, which is a refused handshake (403) to the implementation."""
        async with self.running() as bot:
            assert await self.status_of(bot.ws_url(self.path), "wrong") == 403


class TestWebhook(OneBot12, suites.WebhookSuite):
    """An implementation that posts its events, and has an HTTP server for actions."""

    path = "/onebot/v12/http"
    api = ("POST", "/")
    known = {
        "test_garbage_is_refused": NOT_JSON,
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        roots = {ME["user_id"]: f"{platform.url}/"}
        return {**super().settings(platform), "onebot_v12_api_roots": roots}

    def said(self, call: suites.base.Message) -> str | None:
        assert isinstance(call, testing.Call)
        assert call.headers["authorization"] == f"Bearer {self.token}"
        assert call.content_type == "application/json"
        return super().said(call)

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "X-OneBot-Version": "12",
            "X-Impl": "scripted",
            **({} if token is None else {"Authorization": f"Bearer {token}"}),
        }

    @scenario
    async def test_an_event_is_answered_204(self) -> None:
        """The bot has nothing to say in the answer to the webhook itself."""
        async with self.running():
            assert (await self.post(self.event("/say yes"))).status == 204
            await self.answered("yes")
