"""The adapter for OneBot 11 (https://github.com/botuniverse/onebot-11), in its three ways."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import pytest

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites
from nonebot_aiohttp.testing.suites.base import scenario
from tests.compat.support.onebot import LIFECYCLE, SELF_ID, message_event

from .support.known import CLOSED, MEBIBYTE, NOT_JSON


class OneBot11(suites.Suite):
    adapter = "nonebot.adapters.onebot.v11"

    def event(self, text: str) -> Any:
        return message_event(text)

    def said(self, call: suites.base.Message) -> str | None:
        if isinstance(call, testing.Call):
            assert call.headers["authorization"] == f"Bearer {self.token}"
            assert call.content_type == "application/json"
            params = call.json
        else:
            assert call.json["action"] == "send_msg"
            params = call.json["params"]
        assert (params["message_type"], params["user_id"]) == ("private", 20002)
        return "".join(segment["data"]["text"] for segment in params["message"])

    def result(self, call: suites.base.Message) -> Any:
        echo = {"echo": call.json["echo"]} if isinstance(call, testing.Received) else {}
        return {"status": "ok", "retcode": 0, "data": {"message_id": 99}, **echo}

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"onebot_access_token": self.token}


class TestReverse(OneBot11, suites.ReverseWebSocketSuite):
    path = "/onebot/v11/ws"
    known = {
        "test_a_stop_lets_an_event_in_flight_end": CLOSED,
    }

    def handshake(self, token: str | None) -> Mapping[str, str]:
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return {"X-Self-ID": SELF_ID, "X-Client-Role": "Universal", **shown}

    @scenario
    async def test_a_handshake_without_an_id_is_refused(self) -> None:
        """Who does not say which bot it is for gets 403, as for a wrong token."""
        async with self.running() as bot:
            headers = {"Authorization": f"Bearer {self.token}"}
            for shown in (headers, self.handshake("wrong"), self.handshake(None)):
                with pytest.raises(testing.Refused) as refused:
                    await self.platform.connect(bot.ws_url(self.path), headers=shown)
                assert refused.value.status == 403
            assert not bot.all_told("connected")


class TestForward(OneBot11, suites.ForwardWebSocketSuite):
    path = "/ws"
    known = {
        "test_a_large_event_is_answered": MEBIBYTE,
        "test_a_stop_lets_an_event_in_flight_end": CLOSED,
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {**super().settings(platform), "onebot_ws_urls": [f"{platform.ws_url}/ws"]}

    async def greet(self, connection: testing.Connection) -> None:
        assert connection.call.headers["authorization"] == f"Bearer {self.token}"
        await connection.send(LIFECYCLE)


class TestWebhook(OneBot11, suites.WebhookSuite):
    path = "/onebot/v11/"
    api = ("POST", "/api/send_msg")
    secret = "secret"
    known = {
        "test_garbage_is_refused": NOT_JSON,
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {
            **super().settings(platform),
            "onebot_secret": self.secret,
            "onebot_api_roots": {SELF_ID: f"{platform.url}/api"},
        }

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        shown = {}
        if token is not None:
            key = self.secret if token == self.token else token
            shown["X-Signature"] = "sha1=" + hmac.new(key.encode(), body, "sha1").hexdigest()
        return {"X-Self-ID": SELF_ID, "Content-Type": "application/json", **shown}

    @scenario
    async def test_webhooks_have_their_statuses(self) -> None:
        """204 for an event, 400 without an id, 401 without a signature, 403 for a wrong one."""
        async with self.running() as bot:
            assert (await self.post_with(self.event("/say no"), None)).status == 401
            assert (await self.post_with(self.event("/say no"), "wrong")).status == 403
            body = self.encode(self.event("/say no"))
            signed = {**self.headers(body, self.token), "X-Self-ID": ""}
            anonymous = await self.platform.post(bot.url(self.path), body=body, headers=signed)
            assert anonymous.status == 400
            assert not bot.all_told("connected")
            assert (await self.post(self.event("/say yes"))).status == 204
            await self.answered("yes")
            assert not self.was_said("no")
