"""The bot that is restarted: it takes a while for each event, and notes those that it handled."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nonebot_aiohttp import Bot, Driver, HTTPConnection, HTTPResponse
from nonebot_aiohttp.drivers import Driver as AnyDriver

WORK_SECONDS = 0.02


class Restarted(Bot):
    """Notes what it handles."""

    @property
    def type(self) -> str:
        """Always ``restarted``."""
        return "restarted"

    @classmethod
    async def check_permission(
        cls, driver: AnyDriver, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Let in everybody."""
        return "1", None

    async def handle_message(self, message: bytes) -> None:
        """Take a while, and note the event."""
        await asyncio.sleep(WORK_SECONDS)
        config: Any = self.config
        os.write(config.journal, message + b"\n")

    async def _call_api(self, api: str, **data: Any) -> Any:
        raise NotImplementedError

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Never called."""
        raise NotImplementedError


def main(port: str, journal: str, loop: str) -> None:
    """Run until SIGTERM."""
    descriptor = os.open(Path(journal), os.O_WRONLY | os.O_APPEND)
    env: Any = SimpleNamespace(environment="restarts")
    config: Any = SimpleNamespace(journal=descriptor, aiohttp_loop=loop, log_level="INFO")
    driver = Driver(env, config)
    driver.register_adapter("restarted", Restarted)
    driver.run("127.0.0.1", int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
