"""A bot in an aiohttp site: ``python -m tests.process.bots.site subapp|attach PORT``."""

from __future__ import annotations

import socket
import sys
from typing import Any

from aiohttp import web

from tests.process.bots.common import driver_of_test

PREFIX = "/bots/here"


async def home(_: web.Request) -> web.Response:
    return web.Response(text="the site")


def place(port: int) -> dict[str, Any]:
    """Make the arguments that say where to listen."""
    if port:
        return {"host": "127.0.0.1", "port": port}
    # Older versions of aiohttp do not say which port the system has chosen.
    return {"sock": socket.create_server(("127.0.0.1", 0))}


def main() -> None:
    driver, site = driver_of_test(), web.Application()
    site.router.add_get("/", home)
    if sys.argv[1] == "subapp":
        site.add_subapp(PREFIX, driver.server_app)
    else:
        driver.attach(site)
    web.run_app(site, access_log=None, **place(int(sys.argv[2])))


if __name__ == "__main__":
    main()
