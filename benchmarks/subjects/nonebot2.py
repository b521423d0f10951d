"""A NoneBot2 driver, NoneBot's own or this package's, under an adapter that counts events."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import nonebot
from nonebot.adapters import Adapter
from nonebot.drivers import URL, HTTPServerSetup, Request, Response, WebSocket, WebSocketServerSetup
from nonebot.exception import WebSocketClosed

from ..control import Control
from ..event import EVENT
from .support import handle_event, handle_text, measure_calls, start_as_adapters_do, tally

JSON_HEADERS = {"Content-Type": "application/json"}


class BenchAdapter(Adapter):
    """Starts a task for each event, as the real adapters do."""

    def __init__(self, driver: Any, **kwargs: Any) -> None:
        super().__init__(driver, **kwargs)
        self.setup_http_server(
            HTTPServerSetup(URL("/bench/"), "POST", "bench webhook", self._handle_http)
        )
        self.setup_websocket_server(
            WebSocketServerSetup(URL("/bench/ws"), "bench websocket", self._handle_websocket)
        )

    @classmethod
    def get_name(cls) -> str:
        """The name of the adapter."""
        return "Bench"

    async def _handle_http(self, request: Request) -> Response:
        content: Any = request.content
        start_as_adapters_do(handle_event(content))
        return Response(200)

    async def _handle_websocket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await read_messages(websocket)

    async def _call_api(self, bot: Any, api: str, **data: Any) -> Any:
        raise NotImplementedError


async def read_messages(websocket: WebSocket) -> None:
    """Start a handler for each message until the socket closes."""
    try:
        while True:
            message = await websocket.receive()
            start_as_adapters_do(handle_text(websocket.send, message))
    except WebSocketClosed:
        pass


def make_driver(name: str, port: str, **settings: Any) -> Any:
    """Initialise NoneBot with a driver and settings, without an .env file."""
    nonebot.init(_env_file=None, driver=name, host="127.0.0.1", port=int(port), **settings)
    return nonebot.get_driver()


def begin(driver: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine from the driver's start on; the start does not wait for its end."""

    @driver.on_startup  # type: ignore[untyped-decorator]
    async def _begin() -> None:
        start_as_adapters_do(work())


def serve(name: str, port: str) -> None:
    """Serve webhooks and reverse WebSockets."""
    Control(tally)
    make_driver(name, port).register_adapter(BenchAdapter)
    nonebot.run()


def serve_quietly(name: str, port: str) -> None:
    """Serve on uvicorn without the access log that NoneBot has by default."""
    Control(tally)
    make_driver(name, port, log_level="WARNING").register_adapter(BenchAdapter)
    nonebot.run(access_log=False)


def forward(name: str, port: str, url: str) -> None:
    """Connect to a platform and handle its messages."""
    Control(tally)
    driver = make_driver(name, port)

    async def connect() -> None:
        async with driver.websocket(Request("GET", url)) as websocket:
            await read_messages(websocket)

    begin(driver, connect)
    nonebot.run()


def call(name: str, port: str, url: str, at_once: str, warmup: str, seconds: str) -> None:
    """Call an API through the driver."""
    control = Control()
    driver = make_driver(name, port)

    async def once() -> bytes | None:
        response = await driver.request(Request("POST", url, content=EVENT, headers=JSON_HEADERS))
        content: bytes | None = response.content
        return content

    async def measure() -> None:
        await measure_calls(control, once, int(at_once), float(warmup), float(seconds))

    begin(driver, measure)
    nonebot.run()


ROLES: dict[str, Callable[..., None]] = {
    "serve": serve,
    "serve-quietly": serve_quietly,
    "forward": forward,
    "call": call,
}

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    ROLES[role](*arguments)
