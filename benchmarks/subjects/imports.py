"""The time to import, and to construct a driver with a config that exists already."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

from ..control import Control

CONFIG: Any = SimpleNamespace(host="127.0.0.1", port=0, log_level="WARNING")


def import_aiohttp() -> float:
    """Import what this package's own driver is compared with."""
    started = time.perf_counter()
    import aiohttp.web  # noqa: F401

    return time.perf_counter() - started


def import_aiohttp_and_nonebot() -> float:
    """Import what the NoneBot2 driver is compared with."""
    started = time.perf_counter()
    import aiohttp.web  # noqa: F401
    import nonebot  # noqa: F401

    return time.perf_counter() - started


def construct_standalone() -> float:
    """Import and construct this package's own driver."""
    env: Any = SimpleNamespace(environment="prod")
    started = time.perf_counter()
    from nonebot_aiohttp import Driver

    Driver(env, CONFIG)
    return time.perf_counter() - started


def construct_nonebot2() -> float:
    """Import and construct the NoneBot2 driver; making NoneBot's config is not its work."""
    started = time.perf_counter()
    import nonebot  # noqa: F401

    from nonebot_aiohttp.nonebot2 import Driver

    imported = time.perf_counter() - started
    from nonebot.config import Config, Env

    env, config = Env(environment="prod"), Config(_env_file=None)
    started = time.perf_counter()
    Driver(env, config)
    return imported + time.perf_counter() - started


ROLES = {
    "aiohttp": import_aiohttp,
    "aiohttp-nonebot": import_aiohttp_and_nonebot,
    "standalone": construct_standalone,
    "nonebot2": construct_nonebot2,
}

if __name__ == "__main__":
    elapsed = ROLES[sys.argv[1]]()
    Control().say(result={"seconds": elapsed})
