"""A standalone driver with a small adapter: what an author tests with the kit.

It imports nothing of these tests, so that they can put a copy of it beside a suite.
"""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import nonebot_aiohttp
from nonebot_aiohttp import Driver, HTTPConnection, HTTPResponse, WebSocket, WebSocketSetup

HEADERS = {"X-Self-ID": "1"}
"""What a platform of this adapter sends."""


class Echo(nonebot_aiohttp.Bot[Any]):
    """Sends each text back, over its WebSocket or by the platform's API."""

    @property
    def type(self) -> str:
        """The name of the adapter."""
        return "echo"

    @classmethod
    async def check_permission(
        cls, driver: Driver[Any], request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Let in who names the bot."""
        return request.headers.get("x-self-id"), None

    async def handle_message(self, message: bytes) -> None:
        """Send the text of a message back."""
        await self.send(None, json.loads(message)["text"])

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send a text."""
        await self.call_api("send", text=message)

    async def _call_api(self, api: str, **data: Any) -> Any:
        if isinstance(self.request, WebSocket):
            await self.request.send(json.dumps(data))
            return
        async with self.driver.session.post(f"{self.config.platform}/{api}", json=data) as answer:
            answer.raise_for_status()


def echo_driver(platform: str, *, forward: str | None = None, bye: bool = False) -> Driver[Any]:
    """Make a driver whose attempts to connect follow one another at once.

    Args:
        platform: The address of the platform's API.
        forward: The address of the platform's WebSocket; None is no connection to it.
        bye: Whether the bot tells the platform that it stops.
    """
    config: Any = SimpleNamespace(
        environment="test",
        platform=platform,
        aiohttp_backoff_max=0.01,
        aiohttp_ssl_cafile=os.environ.get("AIOHTTP_SSL_CAFILE"),
    )
    driver: Driver[Any] = Driver(config, config)
    driver.register_adapter("echo", Echo)
    if forward is not None:
        driver.setup_websocket(WebSocketSetup("echo", "1", forward, reconnect_interval=1.0))

    async def say_bye() -> None:
        async with driver.session.post(f"{platform}/bye") as answer:
            answer.raise_for_status()

    if bye:
        driver.on_shutdown(say_bye)
    return driver
