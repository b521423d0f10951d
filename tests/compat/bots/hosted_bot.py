"""A bot with a small adapter, for every host: at each end it asks the platform for something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hosting
import lifespan_bot
import nonebot
from nonebot.adapters import Adapter, Bot
from nonebot.drivers import URL, Driver, Request, Response, WebSocket, WebSocketServerSetup
from nonebot.exception import WebSocketClosed
from server_bot import http, ws

from nonebot_aiohttp.testing import tell

if TYPE_CHECKING:
    from starlette.applications import Starlette


async def ask(what: str) -> None:
    """Ask the platform, which takes as long as the test wants, and note the answer."""
    driver: Any = nonebot.get_driver()
    response = await driver.request(Request("GET", f"{driver.config.platform}/{what}"))
    tell(f"asked: {what}", status=response.status_code)


class LineBot(Bot):
    """A bot that only comes and goes."""

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send nothing."""


class LineAdapter(Adapter):
    """One bot that is there as long as the driver runs, and one for a WebSocket."""

    def __init__(self, driver: Driver, **kwargs: Any) -> None:
        super().__init__(driver, **kwargs)
        self._resident = LineBot(self, "resident")
        driver.on_startup(self._start)
        driver.on_shutdown(self._stop)
        self.setup_websocket_server(WebSocketServerSetup(URL("/line"), "line", self._handle))

    @classmethod
    def get_name(cls) -> str:
        return "Line"

    async def _start(self) -> None:
        self.bot_connect(self._resident)

    async def _stop(self) -> None:
        self.bot_disconnect(self._resident)

    async def _handle(self, websocket: WebSocket) -> None:
        """Send back all messages; cleaning up takes a moment."""
        await websocket.accept()
        bot = LineBot(self, "guest")
        self.bot_connect(bot)
        try:
            while True:
                await websocket.send(await websocket.receive())
        except WebSocketClosed:
            tell("closed")
        finally:
            await ask("cleanup")
            self.bot_disconnect(bot)

    async def _call_api(self, bot: Bot, api: str, **data: Any) -> Any:
        """Call nothing."""


async def held(request: Request) -> Response:
    """Answer when the platform has answered."""
    await ask("held")
    return Response(200, content="finished")


async def deaf(websocket: WebSocket) -> None:
    """Do not notice that the WebSocket is closed."""
    await websocket.accept()
    await ask("held")


def register() -> None:
    """Register everything; the request at the shutdown is registered first, and comes last."""
    driver = nonebot.get_driver()

    @driver.on_shutdown
    async def farewell() -> None:
        await asyncio.sleep(0.1)  # As long as a request to a platform takes.
        await ask("shutdown")

    @driver.on_bot_disconnect
    async def disconnected(bot: Bot) -> None:
        await ask(f"disconnected-{bot.self_id}")

    driver.register_adapter(LineAdapter)
    lifespan_bot.register()
    http("GET", "/held", held)
    ws("/deaf", deaf)


nonebot.init()
register()

driver: Any = nonebot.get_driver()
server_app = driver.server_app
asgi = driver.asgi


def site() -> Starlette:
    """Make a Starlette application with the bot in it."""
    return hosting.make_starlette(driver)


if __name__ == "__main__":
    hosting.run()
