"""The face of NoneBot 2.0.0a14 to 2.0.0a16: the driver itself, known to their own checks.

The contract of this package is that API, so there is nothing to translate: the classes of
``nonebot.drivers`` are ABCs, and ours are registered as their virtual subclasses.
"""

from __future__ import annotations

import importlib
from typing import Any

from .. import drivers
from .. import standalone as standalone
from ..log import logger

# Any: the types of today's NoneBot2 know nothing of this module's names.
_nonebot_drivers: Any = importlib.import_module("nonebot.drivers")


class Driver(standalone.Driver):
    """The driver for ``DRIVER=nonebot_aiohttp.nonebot2`` under NoneBot 2.0.0a14 to 2.0.0a16.

    As the drivers of NoneBot itself it lets browsers' pages in, unless ``aiohttp_allowed_origins``
    is set.
    """

    _option_defaults = {"allowed_origins": frozenset({"*"})}

    def run(
        self, host: str | None = None, port: int | None = None, *, app: Any = None, **where: Any
    ) -> None:
        """Run in this process until a signal, as ``nonebot.run`` asks for.

        Args:
            host: Where to listen; None is ``config.host``.
            port: The port; None is ``config.port``.
            app: What uvicorn would import to reload; there is nothing to reload here.
            **where: What ``nonebot_aiohttp.Driver.run`` takes.
        """
        if app is not None:
            logger.debug("This driver does not reload, so it does not need app=")
        super().run(host, port, **where)


for _name in ("Driver", "ForwardDriver", "ReverseDriver"):
    getattr(_nonebot_drivers, _name).register(Driver)
for _name in ("HTTPConnection", "HTTPRequest", "WebSocket"):
    getattr(_nonebot_drivers, _name).register(getattr(drivers, _name))
