"""Hand NoneBot to the host that the test chose."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import nonebot
from aiohttp import web

if TYPE_CHECKING:
    from starlette.applications import Starlette


def run() -> None:
    host, config = os.environ.get("HOSTED_BY", "run"), nonebot.get_driver().config
    if host == "run":
        nonebot.run()
    elif host == "serve":
        asyncio.run(serve())
    elif host == "uvicorn":
        import uvicorn

        uvicorn.run(nonebot.get_asgi(), host=str(config.host), port=config.port)
    else:
        web.run_app(make_site(host), host=str(config.host), port=config.port)


async def serve() -> None:
    """Run the bot on an event loop of this program, and stop it at SIGTERM."""
    driver: Any = nonebot.get_driver()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, driver.exit)
    await driver.serve()


def make_starlette(driver: Any) -> Starlette:
    """Make a Starlette application that starts and stops the driver in its own lifespan."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with driver.lifespan():
            yield

    return Starlette(routes=[Mount("/bots/here", app=driver.asgi)], lifespan=lifespan)


def make_site(host: str) -> web.Application:
    """Make an aiohttp application with the bot in it: as its ``subapp``, or at its root."""
    driver: Any = nonebot.get_driver()
    site = web.Application()
    if host == "subapp":
        site.add_subapp("/bots/here", driver.aiohttp_app)
    else:
        driver.attach(site)
    return site
