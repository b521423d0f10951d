"""The platform's side of OneBot v11: events, API answers, and WebSockets either way."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nonebot_aiohttp import testing

SELF_ID = "10001"

_numbers = itertools.count(1)


def message_event(text: str, self_id: str = SELF_ID) -> dict[str, Any]:
    number = next(_numbers)
    return {
        "time": 1_700_000_000 + number,
        "self_id": int(self_id),
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


LIFECYCLE = {
    "time": 1_700_000_000,
    "self_id": int(SELF_ID),
    "post_type": "meta_event",
    "meta_event_type": "lifecycle",
    "sub_type": "connect",
}
"""The event that a platform sends first."""


def sign(secret: str, body: bytes) -> dict[str, str]:
    return {"X-Signature": "sha1=" + hmac.new(secret.encode(), body, "sha1").hexdigest()}


def text_of(message: Any) -> str:
    """Return the text of a message: a string, or segments."""
    if isinstance(message, str):
        return message
    return "".join(segment["data"]["text"] for segment in message)


def result_of(action: str) -> dict[str, Any]:
    """Make the answer to an API call; a message is looked up because another one replies to it."""
    data: dict[str, Any] = {"message_id": 99}
    if action == "get_msg":
        data = {**message_event("before"), "message_id": 1, "real_id": 1}
    return {"status": "ok", "retcode": 0, "data": data}


async def answer(call: testing.Received) -> None:
    """Answer an API call that has come over a WebSocket."""
    await call.reply({**result_of(call.json["action"]), "echo": call.json["echo"]})


async def said_over(connection: testing.Connection) -> str:
    """Wait for the call by which the bot says something, and answer it."""
    call = await connection.expect({"action": "send_msg"}, deadline=30)
    await answer(call)
    return text_of(call.json["params"]["message"]).strip()


async def echo_over(connection: testing.Connection, text: str, self_id: str = SELF_ID) -> None:
    """Have the bot echo a text over a WebSocket, and answer its API call."""
    await connection.send(message_event(f"/echo {text}", self_id))
    assert await said_over(connection) == text


class Platform(testing.Platform):
    """A platform that bots connect to, over WebSocket, and whose HTTP API they call.

    Attributes:
        api: The HTTP API; look-ups of messages wait for `answer_look_ups`.
    """

    def __init__(self) -> None:
        super().__init__(allow_unused=True)
        self.api = self.on("POST", "/api/{action}").reply(self._answer)
        self.websocket("/ws", lambda connection: connection.send(LIFECYCLE))
        self._looked_up = asyncio.Event()

    @property
    def forward_url(self) -> str:
        return f"{self.ws_url}/ws"

    @property
    def api_root(self) -> str:
        return f"{self.url}/api"

    def answer_look_ups(self) -> None:
        self.soon(self._looked_up.set)

    async def _answer(self, call: testing.Call) -> dict[str, Any]:
        action = call.match["action"]
        if action == "get_msg":
            await self._looked_up.wait()
        return result_of(action)

    @asynccontextmanager
    async def reverse(
        self, url: str, self_id: str | None = SELF_ID, token: str = ""
    ) -> AsyncIterator[testing.Connection]:
        """Connect to a bot, and close the WebSocket at the end of the block."""
        headers = {"X-Client-Role": "Universal"}
        if self_id:
            headers["X-Self-ID"] = self_id
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # A bot that systemd starts listens before it is up.
        connection = await self.connect(url, headers=headers, deadline=60)
        yield connection
        await connection.close()

    async def post_event(
        self,
        url: str,
        event: dict[str, Any],
        self_id: str | None = SELF_ID,
        secret: str | None = None,
    ) -> testing.Answer:
        """Send an event to a webhook, signed if there is a secret."""
        headers = {} if self_id is None else {"X-Self-ID": self_id}
        signing = None if secret is None else lambda body: sign(secret, body)
        return await self.post(url, json=event, headers=headers, sign=signing, deadline=30)
