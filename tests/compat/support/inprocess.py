"""Drivers inside the test's own process: made by NoneBot's rules, started by its lifespan.

Driver objects are independent of each other; only ``nonebot.init`` is global: it is not called.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nonebot
from nonebot.config import Config, Env

from .choice import Candidate


def make_driver(candidate: Candidate, **settings: Any) -> Any:
    """Build the driver that a ``DRIVER`` line stands for."""
    with warnings.catch_warnings():
        if not candidate.is_ours:
            warnings.simplefilter("ignore")
        driver_class = nonebot._resolve_combine_expr(candidate.line)
        config = Config(_env_file=None, driver=candidate.line, **settings)
        return driver_class(Env(environment="test"), config)


@asynccontextmanager
async def started(driver: Any) -> AsyncIterator[None]:
    """Start a driver as its host does, and stop it: both in one task, as NoneBot demands."""
    ready, stop = asyncio.Event(), asyncio.Event()
    life = asyncio.create_task(_live(driver, ready, stop))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((life, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if not life.done():
            yield
    finally:
        stop.set()
        await life


async def _live(driver: Any, ready: asyncio.Event, stop: asyncio.Event) -> None:
    # Only this package's driver has a lifespan of its own around NoneBot's.
    async with driver.lifespan() if hasattr(driver, "lifespan") else driver._lifespan:
        ready.set()
        await stop.wait()
