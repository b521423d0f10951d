"""This package's own driver, under an adapter for the API of 2021 that counts its messages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from nonebot_aiohttp import Driver
from nonebot_aiohttp.adapters import Bot
from nonebot_aiohttp.drivers import HTTPConnection, HTTPResponse, WebSocketSetup

from ..control import Control
from .support import COUNT_REQUEST_BYTES, tally


class BenchBot(Bot):
    """Counts its messages."""

    @property
    def type(self) -> str:
        """The name of the adapter."""
        return "bench"

    @classmethod
    async def check_permission(
        cls, driver: Any, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Let in every peer that sends an id."""
        return request.headers.get("x-self-id"), None

    async def handle_message(self, message: bytes) -> None:
        """Count a message, and answer the question for the count."""
        tally.handled += 1
        if message == COUNT_REQUEST_BYTES:
            await self.request.send(str(tally.handled))  # type: ignore[attr-defined]

    async def _call_api(self, api: str, **data: Any) -> Any:
        raise NotImplementedError

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Not part of the measurement."""
        raise NotImplementedError


def make_driver(port: str, **settings: Any) -> Driver:
    """Return a driver that will serve the adapter, with these settings besides."""
    where = {"host": "127.0.0.1", "port": int(port), "log_level": "WARNING"}
    config: Any = SimpleNamespace(**where, **settings)
    driver = Driver(SimpleNamespace(environment="prod"), config)
    driver.register_adapter("bench", BenchBot)
    return driver


def serve(port: str) -> None:
    """Serve webhooks and reverse WebSockets."""
    make_driver(port).run()


def forward(port: str, url: str) -> None:
    """Connect to a platform and handle its messages."""
    driver = make_driver(port)
    driver.setup_websocket(WebSocketSetup("bench", "1", url))
    driver.run()


def asgi(port: str) -> None:
    """Serve under uvicorn."""
    import uvicorn

    from .raw_asgi import UVICORN

    uvicorn.run(make_driver(port).asgi, port=int(port), **UVICORN)


ROLES: dict[str, Callable[..., None]] = {"serve": serve, "forward": forward, "asgi": asgi}

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    Control(tally)
    ROLES[role](*arguments)
