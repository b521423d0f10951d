"""Start NoneBot as the test's environment says, and hand it to the host that the test chose."""

import asyncio
import json
import os
import signal
from typing import Any

import nonebot
from aiohttp import web


def init() -> None:
    """Initialise NoneBot: ``DRIVER``, ``HOST`` and ``PORT`` are its own, ``SETTINGS`` are JSON."""
    nonebot.init(**json.loads(os.environ.get("SETTINGS", "{}")))


def run() -> None:
    """Run the bot until it is stopped."""
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
    """Run the bot on a loop of one's own, and stop it at SIGTERM."""
    driver: Any = nonebot.get_driver()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, driver.exit)
    await driver.serve()


def make_site(host: str) -> web.Application:
    """Make an aiohttp application with the bot in it: as its ``subapp``, or at its root."""
    driver: Any = nonebot.get_driver()
    site = web.Application()
    if host == "subapp":
        site.add_subapp("/bots/here", driver.server_app)
    else:
        driver.attach(site)
    return site
