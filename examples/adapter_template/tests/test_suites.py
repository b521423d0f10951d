"""What every platform does to an adapter, over each of the four ways."""

from collections.abc import Mapping
from typing import Any, ClassVar

from nonebot_aiohttp.testing import (
    ForwardWebSocketSuite,
    Known,
    Message,
    Platform,
    PollingSuite,
    ReverseWebSocketSuite,
    Suite,
    Updates,
    WebhookSuite,
)

from playing import OK, SECRET, TOKEN, said, settings, sign, tickets_of, updates_of


class Pigeon(Suite):
    """What the ways have in common."""

    adapter = "nonebot.adapters.pigeon"
    token = TOKEN

    def settings(self, platform: Platform) -> Mapping[str, Any]:
        return settings(platform)

    def event(self, text: str) -> Any:
        return said(text)


class OverHTTP(Pigeon):
    """The bot calls the API over HTTP."""

    api = ("POST", "/send_message")

    def said(self, call: Message) -> str | None:
        text: str = call.json["text"]
        return text

    def result(self, call: Message) -> Any:
        return OK


class OverTheWebSocket(Pigeon):
    """The bot calls the API over its WebSocket."""

    def said(self, call: Message) -> str | None:
        data = call.json
        text: str | None = data["data"]["text"] if data.get("api") == "send_message" else None
        return text

    def result(self, call: Message) -> Any:
        return {"call": call.json["call"], **OK}


class TestWebhook(OverHTTP, WebhookSuite):
    path = "/pigeon/"
    token = SECRET

    def headers(self, body: bytes, token: str | None) -> Mapping[str, str]:
        return {"X-Pigeon-Bot": "42"} if token is None else sign(body, token)


class TestReverseWebSocket(OverTheWebSocket, ReverseWebSocketSuite):
    path = "/pigeon/ws"
    known: ClassVar[Mapping[str, Known]] = {
        "test_a_stop_lets_an_event_in_flight_end": Known(
            "uvicorn closes all WebSockets before NoneBot stops, so that a handler cannot answer",
            drivers=("~fastapi",),
        ),
    }

    def handshake(self, token: str | None) -> Mapping[str, str]:
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return {"X-Pigeon-Bot": "42", **shown}


class TestPolling(OverHTTP, PollingSuite):
    def settings(self, platform: Platform) -> Mapping[str, Any]:
        return settings(platform, pigeon_polling=["42"])

    def updates(self, platform: Platform) -> Updates:
        return updates_of(platform)


class TestForwardWebSocket(OverTheWebSocket, ForwardWebSocketSuite):
    path = "/gateway"

    def settings(self, platform: Platform) -> Mapping[str, Any]:
        return settings(platform, pigeon_gateway=["42"])

    def prepare(self, platform: Platform) -> None:
        tickets_of(platform)
