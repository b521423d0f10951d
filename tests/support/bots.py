"""Adapters and drivers for tests, which keep the requests and the messages that arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

from nonebot_aiohttp import Bot, Driver, HTTPConnection, HTTPResponse, WebSocket
from nonebot_aiohttp.drivers import Driver as AnyDriver

Decision = tuple["str | None", "HTTPResponse | None"]


class RecordingBot(Bot):
    """Lets in a peer that sends `X-Self-ID`; each subclass keeps its requests and messages."""

    requests: ClassVar[list[HTTPConnection]] = []
    messages: ClassVar[list[bytes]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.requests = []
        cls.messages = []

    @property
    def type(self) -> str:
        """Always `recording`."""
        return "recording"

    @property
    def socket(self) -> WebSocket:
        """The WebSocket over which the bot is connected."""
        assert isinstance(self.request, WebSocket)
        return self.request

    @classmethod
    async def check_permission(cls, driver: AnyDriver, request: HTTPConnection) -> Decision:
        """Keep the request and ask `decide`."""
        cls.requests.append(request)
        return await cls.decide(request)

    @classmethod
    async def decide(cls, request: HTTPConnection) -> Decision:
        """Decide; subclasses override this."""
        return request.headers.get("x-self-id"), None

    async def handle_message(self, message: bytes) -> None:
        """Keep the message and call `react`."""
        type(self).messages.append(message)
        await self.react(message)

    async def react(self, message: bytes) -> None:
        """Do nothing; subclasses override this."""

    async def _call_api(self, api: str, **data: Any) -> Any:
        return api, data

    async def send(self, event: Any, message: Any, **kwargs: Any) -> None:
        """Send the message over the bot's socket."""
        await self.socket.send(message)


Adapter = type[RecordingBot]


def new_adapter() -> Adapter:
    """Return a new adapter, without recordings."""
    return type("Recorder", (RecordingBot,), {})


def deciding(decide: Callable[[HTTPConnection], Awaitable[Decision]]) -> Adapter:
    """Return an adapter that decides as a function does."""
    return type("Recorder", (RecordingBot,), {"decide": staticmethod(decide)})


def answering(self_id: str | None, response: HTTPResponse | None) -> Adapter:
    """Return an adapter whose decision is always the same."""

    async def decide(_: HTTPConnection) -> Decision:
        return self_id, response

    return deciding(decide)


def make_driver(*adapters: type[Bot], **settings: Any) -> Driver:
    """Make a driver; the adapters are registered under the lower-case names of their classes."""
    env: Any = SimpleNamespace(environment="test")
    config: Any = SimpleNamespace(**settings)
    driver = Driver(env, config)
    for adapter in adapters:
        driver.register_adapter(adapter.__name__.lower(), adapter)
    return driver


@asynccontextmanager
async def running(*adapters: type[Bot], **settings: Any) -> AsyncIterator[Driver]:
    """Give a driver that runs without a server."""
    driver = make_driver(*adapters, **settings)
    async with driver.lifespan():
        yield driver
