"""``Driver`` for NoneBot 2.0.0a14 to 2.0.0a16: the standalone driver, known to NoneBot's checks.

The standalone driver has the API of these versions, so there is nothing to translate. The classes
of ``nonebot.drivers`` are ABCs, and ours are registered as their virtual subclasses.
"""

from __future__ import annotations

import importlib
from typing import Any

from .. import drivers
from .. import standalone as standalone
from ..hosts.hosted import check_arguments
from ..log.own import logger

# Any, because the newest NoneBot2, whose types mypy sees, does not have these names.
_nonebot_drivers: Any = importlib.import_module("nonebot.drivers")


class Driver(standalone.Driver):
    """The driver for ``DRIVER=nonebot_aiohttp.nonebot2`` under NoneBot 2.0.0a14 to 2.0.0a16.

    Like NoneBot's own drivers it accepts requests of browser pages, unless
    ``aiohttp_allowed_origins`` is set.
    """

    _is_for_nonebot = True
    _name_in_code = "nonebot.get_driver()"
    _option_defaults = {"allowed_origins": frozenset({"*"})}

    def run(
        self, host: str | None = None, port: int | None = None, *, app: Any = None, **where: Any
    ) -> None:
        """Run in this process until a signal; ``nonebot.run`` calls this.

        Args:
            host: IP address or name to listen on; None is ``config.host``.
            port: TCP port to listen on; None is ``config.port``.
            app: Ignored: NoneBot's own driver passes it to uvicorn for reloading.
            **where: Further arguments of ``nonebot_aiohttp.Driver.run``.

        Raises:
            TypeError: An argument is unknown.
        """
        check_arguments(where)
        if app is not None:
            logger.debug("This driver does not reload, so it does not need app=")
        super().run(host, port, **where)


for _name in ("Driver", "ForwardDriver", "ReverseDriver"):
    getattr(_nonebot_drivers, _name).register(Driver)
for _name in ("HTTPConnection", "HTTPRequest", "WebSocket"):
    getattr(_nonebot_drivers, _name).register(getattr(drivers, _name))
