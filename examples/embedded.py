"""An ordinary aiohttp site with the bot of ``onebot_echo.py`` in it, below ``/bot/``.

The site has its own page at ``/``; webhooks arrive at ``/bot/cqhttp/`` and reverse WebSockets at
``/bot/cqhttp/ws``. The driver starts, connects and stops with the site.
"""

from __future__ import annotations

from aiohttp import web
from onebot_echo import Bot, Settings

from nonebot_aiohttp import Driver, load_config


class Site:
    """The site's own pages."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def index(self, request: web.Request) -> web.Response:
        """List the bots that are connected."""
        bots = sorted(self._driver.bots)
        return web.Response(text=f"{len(bots)} bot(s) connected: {', '.join(bots) or 'none'}\n")


def make_site(driver: Driver) -> web.Application:
    """Make the site, with the driver as an application below ``/bot/``."""
    site = web.Application()
    site.router.add_get("/", Site(driver).index)
    site.add_subapp("/bot/", driver.server_app)
    return site


def main() -> None:
    """Run the site until it is stopped."""
    driver = Driver(*load_config(Settings))
    driver.register_adapter("cqhttp", Bot)
    web.run_app(make_site(driver), host=str(driver.config.host), port=driver.config.port)


if __name__ == "__main__":
    main()
