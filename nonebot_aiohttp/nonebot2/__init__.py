"""The driver for NoneBot2: ``DRIVER=nonebot_aiohttp.nonebot2``. Only this package imports nonebot.

``Driver`` fits the NoneBot2 that is installed: 2.0.0a14 to 2.0.0a16, whose driver API is that of
the standalone driver, or 2.4 and newer. ``Mixin`` exists under 2.4 and newer only: it is the client
half for ``~none+nonebot_aiohttp.nonebot2`` and ``~fastapi+nonebot_aiohttp.nonebot2``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import nonebot.drivers

if TYPE_CHECKING or hasattr(nonebot.drivers, "ASGIMixin"):
    from .driver import Driver, Mixin

    __all__ = ("Driver", "Mixin")
elif hasattr(nonebot.drivers, "HTTPPollingSetup"):
    from .a16 import Driver

    __all__ = ("Driver",)
else:
    raise ImportError(
        "nonebot_aiohttp.nonebot2 needs NoneBot2 2.4 or newer, or 2.0.0a14 to 2.0.0a16"
    )
