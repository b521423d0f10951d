"""A bot to look at: a real driver with its page, and a platform that a test controls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from nonebot_aiohttp import Driver
from tests.support.bots import RecordingBot, make_driver
from tests.support.hosts import Host, own_process

TOKEN = "three-in-the-morning"

LANGUAGES = {"en": "en-GB,en;q=0.9", "zh-CN": "zh-CN,zh;q=0.9,en;q=0.8"}
"""What browsers accept, by the language that the page then has."""


@dataclass(frozen=True)
class Scene:
    """A driver that serves its bots on one port, and its page on another."""

    driver: Driver
    host: Host
    page: str

    @property
    def authorization(self) -> str:
        """The header of somebody who knows the token."""
        return f"Bearer {TOKEN}"


class Recorder(RecordingBot):
    """Does nothing with its messages."""


def operated_driver(*adapters: type[RecordingBot], **settings: Any) -> Driver:
    """Make a driver that has a page; ``settings`` are without ``aiohttp_``."""
    prefixed = {f"aiohttp_{name}": value for name, value in settings.items()}
    operated = {"aiohttp_ops_port": "0", "aiohttp_ops_token": TOKEN}
    return make_driver(*adapters or (Recorder,), **operated | prefixed)


@asynccontextmanager
async def scene(driver: Driver) -> AsyncIterator[Scene]:
    """Run a driver as its own process does."""
    async with own_process(driver) as host:
        ((address, port, *_),) = driver._operations.listener.addresses
        yield Scene(driver, host, f"http://{address}:{port}/")
