"""A driver of each face, whose handlers call the platform once for each event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from nonebot.config import Config, Env
from nonebot.drivers import URL, HTTPServerSetup, Request, Response, WebSocketServerSetup
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from nonebot_aiohttp.nonebot2 import Driver as Nonebot2Driver
from tests.support import hosts
from tests.support.bots import RecordingBot, make_driver
from tests.telemetry.spans import Platform, Spans

FAILING = b"fail"
"""The body of a webhook whose handler fails."""


def standalone(platform: Platform) -> Any:
    """Make a driver of the contract's face."""

    class Recorder(RecordingBot):
        async def react(self, message: bytes) -> None:
            assert message != FAILING
            await asyncio.sleep(0)  # So that it goes on after the answer.
            async with self.driver.session.get(platform.url("/call")) as response:
                await response.read()

    return make_driver(Recorder)


def nonebot2_driver(**settings: Any) -> Any:
    """Make a driver of NoneBot2 alone."""
    return Nonebot2Driver(Env(environment="test"), Config(_env_file=None, **settings))


def nonebot2(platform: Platform) -> Any:
    """Make a driver of NoneBot2, and an adapter's routes with the paths of the other face."""
    driver = nonebot2_driver()
    events: set[asyncio.Task[Any]] = set()

    def begin_event() -> None:
        """Handle an event as NoneBot's adapters do: in a task."""
        task = asyncio.create_task(driver.request(Request("GET", platform.url("/call"))))
        events.add(task)
        task.add_done_callback(events.discard)

    async def webhook(request: Request) -> Response:
        assert request.content != FAILING
        begin_event()
        return Response(200)

    async def socket(websocket: Any) -> None:
        await websocket.accept()
        while True:
            await websocket.receive()
            begin_event()

    driver.setup_http_server(HTTPServerSetup(URL("/recorder/"), "POST", "recorder", webhook))
    ws = WebSocketServerSetup(URL("/recorder/ws"), "recorder", socket)
    driver.setup_websocket_server(ws)
    return driver


FACES: dict[str, Callable[[Platform], Any]] = {"standalone": standalone, "nonebot2": nonebot2}


@asynccontextmanager
async def asgi(driver: Any, spans: Spans) -> AsyncIterator[hosts.Host]:
    """Serve ``driver.asgi`` in the middleware, with uvicorn."""
    app = OpenTelemetryMiddleware(
        driver.asgi, exclude_spans=["receive", "send"], tracer_provider=spans.provider
    )
    async with hosts.serve_asgi(app) as port:
        yield hosts.Host("asgi", port, driver=driver)


@asynccontextmanager
async def serving(host: str, driver: Any, spans: Spans) -> AsyncIterator[hosts.Host]:
    """Serve a driver under one of ``HOSTS``."""
    served = asgi(driver, spans) if host == "asgi" else hosts.HOSTS[host](driver)
    async with served as found:
        yield found


APPLICATIONS = {"own_process": 1, "subapp": 3, "attached": 1, "asgi": 1}
"""The applications that a request passes under each host: each makes a span."""
