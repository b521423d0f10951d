"""A OneBot v11 bot that answers ``/echo`` with the rest of the message.

It accepts webhooks at ``/cqhttp/`` and reverse WebSockets at ``/cqhttp/ws``, and connects to the
URLs in ``WS_URLS``. The settings come from ``.env`` and from the environment::

    HOST, PORT    where to listen; 127.0.0.1 and 8080
    ACCESS_TOKEN  the token of the WebSockets and of the HTTP API
    SECRET        the key of the webhooks' signatures; without it webhooks need the token
    API_ROOT      HTTP APIs by bot id, to answer webhooks: {"12345": "http://127.0.0.1:5700"}
    WS_URLS       forward WebSockets by bot id: {"12345": "ws://127.0.0.1:6700"}
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
from typing import Any
from urllib.parse import parse_qs

import nonebot_aiohttp
from nonebot_aiohttp import (
    ApiNotAvailable,
    Config,
    Driver,
    HTTPConnection,
    HTTPRequest,
    HTTPResponse,
    WebSocket,
    WebSocketSetup,
    load_config,
    logger,
)

COMMAND = "/echo "


class Settings(Config):
    """NoneBot's settings, and the forward WebSockets."""

    ws_urls: dict[str, str] = {}


class ActionFailed(Exception):
    """The platform refused an API call."""


class Bot(nonebot_aiohttp.Bot[Settings]):
    """One account on a OneBot v11 platform."""

    def __init__(self, self_id: str, request: HTTPConnection) -> None:
        super().__init__(self_id, request)
        self._echoes = itertools.count(1)
        self._calls: dict[str, asyncio.Future[Any]] = {}

    @property
    def type(self) -> str:
        """The name of the adapter."""
        return "cqhttp"

    @classmethod
    def register(cls, driver: Driver[Settings], config: Settings, **kwargs: Any) -> None:
        """Set up the forward WebSockets."""
        super().register(driver, config, **kwargs)
        driver.on_bot_disconnect(fail_calls)
        for self_id, url in config.ws_urls.items():
            driver.setup_websocket(WebSocketSetup("cqhttp", self_id, url, authorization(config)))

    @classmethod
    async def check_permission(
        cls, driver: Driver[Settings], request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Let in a platform that names the bot and knows the secret or the token."""
        self_id, config, refused = request.headers.get("x-self-id"), driver.config, None
        if not self_id:
            return None, HTTPResponse(400, b"X-Self-ID is missing")
        if config.secret and isinstance(request, HTTPRequest):
            expected = "sha1=" + hmac.new(config.secret.encode(), request.body, "sha1").hexdigest()
            refused = refusal("X-Signature", request.headers.get("x-signature"), expected)
        elif config.access_token:
            refused = refusal("the access token", token_of(request), config.access_token)
        return (None, refused) if refused else (self_id, HTTPResponse(204))

    async def handle_message(self, message: bytes) -> None:
        """Handle an event, or the answer to an API call."""
        data = json.loads(message)
        if "post_type" not in data:
            self._take_answer(data)
        elif data["post_type"] == "message" and (rest := after_command(data["message"])):
            try:
                await self.send(data, rest)
            except (ApiNotAvailable, ActionFailed) as error:
                logger.warning("Bot {} cannot answer: {}", self.self_id, error)

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send a message to the user or the group that an event came from."""
        where = {key: event[key] for key in ("message_type", "user_id", "group_id") if key in event}
        return await self.call_api("send_msg", **where, message=message, **kwargs)

    async def _call_api(self, api: str, **data: Any) -> Any:
        if isinstance(self.request, WebSocket):
            calling = self._call_over(self.request, api, data)
        else:
            calling = self._post(api, data)
        answer = await asyncio.wait_for(calling, self.config.api_timeout)
        if answer.get("status") == "failed":
            raise ActionFailed(f"{api} failed with retcode {answer.get('retcode')}")
        return answer.get("data")

    async def _call_over(self, socket: WebSocket, api: str, data: dict[str, Any]) -> Any:
        echo = str(next(self._echoes))
        answer = self._calls[echo] = asyncio.get_running_loop().create_future()
        try:
            await socket.send(json.dumps({"action": api, "params": data, "echo": echo}))
            return await answer
        finally:
            del self._calls[echo]

    def _take_answer(self, data: dict[str, Any]) -> None:
        call = self._calls.get(str(data.get("echo")))
        if call is not None and not call.done():
            call.set_result(data)

    def fail_calls(self) -> None:
        """Fail the calls that will not be answered any more."""
        for call in self._calls.values():
            if not call.done():
                call.set_exception(ApiNotAvailable("the connection is gone"))

    async def _post(self, api: str, data: dict[str, Any]) -> Any:
        root = self.config.api_root.get(self.self_id)
        if root is None:
            raise ApiNotAvailable(f"API_ROOT has no URL for bot {self.self_id}")
        url, headers = f"{root.rstrip('/')}/{api}", authorization(self.config)
        async with self.driver.session.post(url, json=data, headers=headers) as response:
            response.raise_for_status()
            return await response.json(content_type=None)


def fail_calls(bot: nonebot_aiohttp.Bot) -> None:
    """Fail the calls of a bot that has disconnected, before their timeouts."""
    if isinstance(bot, Bot):
        bot.fail_calls()


def authorization(config: Config) -> dict[str, str]:
    """Make the headers that carry the token to the platform."""
    return {"Authorization": f"Bearer {config.access_token}"} if config.access_token else {}


def token_of(request: HTTPConnection) -> str | None:
    """Find the token of a platform, in a header or in the query."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return token.strip()
    return parse_qs(request.query_string.decode(errors="replace")).get("access_token", [None])[0]


def refusal(name: str, given: str | None, expected: str) -> HTTPResponse | None:
    """Make the refusal of a missing or wrong token or signature."""
    if given is None:
        return HTTPResponse(401, f"{name} is missing".encode())
    is_right = hmac.compare_digest(given.encode(errors="replace"), expected.encode())
    return None if is_right else HTTPResponse(403, f"{name} is wrong".encode())


def after_command(message: Any) -> Any:
    """Return the text or the segments after the command; None if it is another message."""
    if isinstance(message, str):
        return message[len(COMMAND) :] if message.startswith(COMMAND) else None
    if not message or message[0]["type"] != "text":
        return None
    text = after_command(message[0]["data"]["text"])
    first = [{"type": "text", "data": {"text": text}}] if text else []
    return None if text is None else first + message[1:]


def main() -> None:
    """Run the bot until it is stopped."""
    driver = Driver(*load_config(Settings))
    driver.register_adapter("cqhttp", Bot)
    driver.run()


if __name__ == "__main__":
    main()
