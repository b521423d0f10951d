"""The old place of ``nonebot_aiohttp.Driver``, for one release: import it from the package."""

from __future__ import annotations

import warnings

from .standalone import Driver as Driver

warnings.warn(
    "nonebot_aiohttp.driver will be removed in 0.3.0: import Driver from nonebot_aiohttp",
    DeprecationWarning,
    stacklevel=2,
)
