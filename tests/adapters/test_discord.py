"""The adapter for Discord (https://docs.discord.com/developers/events/gateway).

The API's address is fixed in the adapter and the gateway's is what the API says, so the bot reaches
both by a proxy. The adapter waits 5 s before the first heartbeat of each connection.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from nonebot_aiohttp import testing
from nonebot_aiohttp.testing import suites

pytestmark = pytest.mark.timeout(120)

API, GATEWAY, RESUMING = "discord.com", "gateway.discord.gg", "gateway-us-east1-b.discord.gg"
TOKEN = "a.discord.token"
SESSION = "a session"
CHANNEL = "700000000000000003"
BOT_ID = "700000000000000001"
PERSON = {
    "id": "700000000000000002",
    "username": "friend",
    "discriminator": "0",
    "global_name": None,
    "avatar": None,
}
BOT = {**PERSON, "id": BOT_ID, "username": "bot", "bot": True}
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACKNOWLEDGED = (
    *(0, 1, 2, 6, 7),
    *(9, 10, 11),
)
MESSAGE_CONTENT = 1 << 15
numbers = itertools.count(1)


def payload(op: int, data: Any = None, kind: str | None = None) -> dict[str, Any]:
    """Make a payload; a dispatch has a sequence number."""
    return {"op": op, "d": data, "s": next(numbers) if op == DISPATCH else None, "t": kind}


def message(text: str, author: Mapping[str, Any]) -> dict[str, Any]:
    """Make a message (https://docs.discord.com/developers/resources/message#message-object)."""
    return {
        "id": str(800_000_000_000_000_000 + next(numbers)),
        "channel_id": CHANNEL,
        "author": author,
        "content": text,
        "timestamp": "2024-01-01T00:00:00+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        "type": 0,
    }


def ready() -> dict[str, Any]:
    return {
        "v": 10,
        "user": BOT,
        "guilds": [],
        "session_id": SESSION,
        "resume_gateway_url": f"wss://{RESUMING}",
        "application": {"id": BOT_ID, "flags": 0},
    }


class TestGateway(suites.ForwardWebSocketSuite):
    adapter = "nonebot.adapters.discord"
    hosts = (API, GATEWAY, RESUMING)
    api = ("POST", f"/api/v10/channels/{CHANNEL}/messages")
    path = "/"
    known = {
        "test_a_start_without_the_platform_is_made_good": suites.Known(
            "The adapter asks for the gateway once, when the bot starts."
        ),
        "test_a_stop_lets_an_event_in_flight_end": suites.Known(
            "The adapter does not wait for the handlers of its events at the stop, and NoneBot2's "
            "own drivers do not either.",
            drivers=("~fastapi",),
        ),
        "test_a_stop_closes_the_connection": suites.Known(
            "The adapter does not wait for the tasks that it cancels at the stop, and NoneBot2's "
            "own drivers do not either, so the bot is not gone for plugins when NoneBot2 ends.",
            drivers=("~fastapi",),
        ),
    }

    def settings(self, platform: testing.Platform) -> Mapping[str, Any]:
        return {"discord_bots": [{"token": TOKEN, "intent": {"message_content": True}}]}

    def prepare(self, platform: testing.Platform) -> None:
        limit = {"total": 9, "remaining": 9, "reset_after": 0, "max_concurrency": 1}
        gateway = {"url": f"wss://{GATEWAY}", "shards": 1, "session_start_limit": limit}
        for path, answer in {"gateway/bot": gateway, "users/@me": BOT}.items():
            platform.on("GET", f"/api/v10/{path}", host=API).reply(json=answer)

    def limit(self, retry_after: float | str | None) -> testing.Fault:
        """See https://docs.discord.com/developers/topics/rate-limits."""
        refusal = {"message": "You are being rate limited.", "global": False}
        if retry_after is not None:
            refusal["retry_after"] = retry_after
        return testing.Status(429, retry_after, json.dumps(refusal).encode())

    def event(self, text: str) -> Any:
        return payload(DISPATCH, message(text, PERSON), "MESSAGE_CREATE")

    def said(self, call: suites.Message) -> str | None:
        assert isinstance(call, testing.Call)
        assert call.host == API
        assert call.headers["authorization"] == f"Bot {TOKEN}"
        said = json.loads(call.form["payload_json"]) if call.form else call.json
        text: str = said["content"]
        return text

    def result(self, call: suites.Message) -> Any:
        return message(self.said(call) or "", BOT)

    async def greet(self, connection: testing.Connection) -> None:
        connection.on({"op": HEARTBEAT}).reply(payload(ACKNOWLEDGED))
        await connection.send(payload(HELLO, {"heartbeat_interval": 1000}))
        introduction = await connection.expect(
            lambda message: message.json["op"] != HEARTBEAT, deadline=self.patience
        )
        await connection.send(self.welcome(introduction.json, connection.call.host))

    def welcome(self, introduction: Mapping[str, Any], host: str) -> dict[str, Any]:
        """Answer an introduction: that of a new session, or of one that is resumed."""
        said = introduction["d"]
        assert said["token"] == f"Bot {TOKEN}"
        if introduction["op"] == RESUME:
            assert host == RESUMING
            assert (said["session_id"], type(said["seq"])) == (SESSION, int)
            return payload(DISPATCH, {}, "RESUMED")
        assert introduction["op"] == IDENTIFY
        assert said["shard"] == [0, 1]
        assert said["intents"] & MESSAGE_CONTENT
        return payload(DISPATCH, ready(), "READY")

    def introductions(self) -> list[int]:
        """Return what the connections so far have begun with."""
        return [
            received.json["op"]
            for connection in self.platform.connections
            for received in connection.messages
            if received.json["op"] != HEARTBEAT
        ]

    @suites.scenario
    async def test_the_bot_shows_its_token_and_beats(self) -> None:
        """Each heartbeat has the number of the last event."""
        async with self.running() as bot:
            connection = await self.current()
            assert (await bot.told("connected"))["id"] == BOT_ID
            event = self.event("/say beat")
            await self.send(event)
            await connection.expect({"op": HEARTBEAT, "d": event["s"]}, deadline=self.patience)
        asked = self.platform.calls[0]
        assert (asked.path, asked.host) == ("/api/v10/gateway/bot", API)
        assert asked.headers["authorization"] == f"Bot {TOKEN}"
        assert connection.call.host == GATEWAY
        assert connection.call.query == {"v": "10", "encoding": "json"}

    @suites.scenario
    async def test_a_session_is_resumed_where_the_platform_says(self) -> None:
        """After RECONNECT the session goes on, at the address that READY has named."""
        async with self.running() as bot:
            connection = await self.current()
            await connection.send(payload(RECONNECT))
            await connection.closed(deadline=self.patience)
            assert (await bot.told("disconnected"))["id"] == BOT_ID
            await self.assert_answers("again")
        assert self.introductions() == [IDENTIFY, RESUME]

    @suites.scenario
    async def test_a_session_that_is_invalid_is_begun_anew(self) -> None:
        """After INVALID SESSION the bot identifies itself again."""
        async with self.running():
            connection = await self.current()
            await connection.send(payload(INVALID, False))
            await connection.closed(deadline=self.patience)
            await self.assert_answers("again")
        assert self.introductions() == [IDENTIFY, IDENTIFY]
