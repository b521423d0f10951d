"""What a driver reaches by a proxy: a name that only the proxy resolves."""

from __future__ import annotations

from nonebot_aiohttp import Driver
from tests.support.bots import Adapter
from tests.support.forward import Way
from tests.support.socks import NAME
from tests.support.waiting import eventually


def elsewhere(url: str) -> str:
    """Return the URL of a server under a name that is not loopback's."""
    return url.replace("127.0.0.1", NAME)


async def connect(way: Way, driver: Driver, url: str, adapter: Adapter) -> None:
    """Let an event arrive over a connection to the server."""
    way.add(driver, way.setup(url + "/path"))
    async with driver.lifespan():
        await eventually(lambda: adapter.messages)
