"""The adapter for OneBot 11 (https://github.com/botuniverse/onebot-11), in its three ways."""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Mapping
from typing import Any

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

SELF_ID = "10001"
numbers = itertools.count(1)


class OneBot11(suites.Suite):
    adapter = "nonebot.adapters.onebot.v11"

    def event(self, text: str) -> Any:
        number = next(numbers)
        return {
            "time": 1_700_000_000 + number,
            "self_id": int(SELF_ID),
            "post_type": "message",
            "message_type": "private",
            "sub_type": "friend",
            "message_id": number,
            "user_id": 20002,
            "message": [{"type": "text", "data": {"text": text}}],
            "raw_message": text,
            "font": 0,
            "sender": {"user_id": 20002, "nickname": "friend"},
        }

    def said(self, call: suites.base.Message) -> str | None:
        if isinstance(call, testing.Call):
            params = call.json
        else:
            if call.json.get("action") != "send_msg":
                return None
            params = call.json["params"]
        return "".join(segment["data"]["text"] for segment in params["message"])

    def result(self, call: suites.base.Message) -> Any:
        echo = {"echo": call.json["echo"]} if isinstance(call, testing.Received) else {}
        return {"status": "ok", "retcode": 0, "data": {"message_id": 99}, **echo}

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"onebot_access_token": self.token}


class TestReverse(OneBot11, suites.ReverseWebSocketSuite):
    path = "/onebot/v11/ws"

    def handshake(self, token: str | None) -> Mapping[str, str]:
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return {"X-Self-ID": SELF_ID, "X-Client-Role": "Universal", **shown}


class TestForward(OneBot11, suites.ForwardWebSocketSuite):
    path = "/ws"

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {**super().settings(platform), "onebot_ws_urls": [f"{platform.ws_url}/ws"]}

    async def greet(self, connection: testing.Connection) -> None:
        await connection.send(
            {
                "time": 1_700_000_000,
                "self_id": int(SELF_ID),
                "post_type": "meta_event",
                "meta_event_type": "lifecycle",
                "sub_type": "connect",
            }
        )


class TestWebhook(OneBot11, suites.WebhookSuite):
    path = "/onebot/v11/"
    api = ("POST", "/api/send_msg")
    secret = "secret"

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {
            "onebot_secret": self.token,
            "onebot_api_roots": {SELF_ID: f"{platform.url}/api"},
        }

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        shown = {}
        if token is not None:
            shown["X-Signature"] = "sha1=" + hmac.new(token.encode(), body, "sha1").hexdigest()
        return {"X-Self-ID": SELF_ID, "Content-Type": "application/json", **shown}
