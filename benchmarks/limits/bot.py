"""The subject: the package's own process with one adapter, and a count of all that it handled."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any, cast

from nonebot_aiohttp import Driver, WebSocketClosed
from nonebot_aiohttp.adapters import Bot
from nonebot_aiohttp.drivers import HTTPConnection, HTTPResponse, WebSocket

from . import chat
from .packing import pack
from .stats import LoopLag, answer_questions

SLOW_WORK = 0.01
"""Seconds that a handler takes for a message of the second numbered kind: a query, say."""
LONG_WORK = 2.0
"""Seconds for the third numbered kind: another service that is slow itself."""
KINDS = ("exchanges", "numbered", "webhooks", "sent", "unsent", "wrong")
counts = dict.fromkeys(KINDS, 0)
"""What was handled, by kind; ``wrong`` is what must not be."""
webhooks = bytearray()
"""How often the webhook of each number was handled."""
lag = LoopLag()


class LimitBot(Bot):
    """Handles what the peers of these programs send."""

    def __init__(self, self_id: str, request: HTTPConnection) -> None:
        super().__init__(self_id, request)
        self.last_number = -1
        self.calls: dict[int, asyncio.Future[dict[str, Any]]] = {}

    @property
    def type(self) -> str:
        """Name of the adapter."""
        return "limit"

    @classmethod
    async def check_permission(
        cls, driver: Any, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Admit everybody who gives an id."""
        return request.headers.get("x-self-id"), None

    async def handle_message(self, message: bytes) -> None:
        """Do what a message asks for."""
        if message.startswith(chat.NUMBERED):
            self.count_number(chat.number_of(message))
        elif message.startswith(chat.NUMBERED_SLOWLY):
            await asyncio.sleep(SLOW_WORK)
            self.count_number(chat.number_of(message))
        elif message.startswith(chat.NUMBERED_LATE):
            await asyncio.sleep(LONG_WORK)
            self.count_number(chat.number_of(message))
        elif self.request.type == "http":
            await self.handle_webhook(message)
        else:
            await self.handle_fields(chat.decode(message))

    def count_number(self, number: int) -> None:
        """Count a message whose number must follow that of the last one."""
        counts["numbered" if number == self.last_number + 1 else "wrong"] += 1
        self.last_number = number

    async def handle_webhook(self, message: bytes) -> None:
        """Work for a while, and remember that this one was handled."""
        event = json.loads(message)
        await asyncio.sleep(event["work"])
        webhooks[event["number"]] += 1
        counts["webhooks"] += 1

    async def handle_fields(self, fields: dict[str, Any]) -> None:
        """Take an event or the answer to a call, if it is for this bot."""
        if fields["bot"] != self.self_id:
            counts["wrong"] += 1
        elif "echo" in fields:
            self.calls.pop(fields["echo"]).set_result(fields)
        elif fields["do"] == "send":
            await self.send_big(fields["size"])
        else:
            answer = await self.call_api("send_msg", echo=fields["seq"])
            counts["exchanges" if answer["echo"] == fields["seq"] else "wrong"] += 1

    async def send_big(self, size: int) -> None:
        """Send much to a peer who may never read it."""
        try:
            await cast(WebSocket, self.request).send("x" * size)
        except WebSocketClosed:
            counts["unsent"] += 1
        else:
            counts["sent"] += 1

    async def _call_api(self, api: str, **data: Any) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.calls[data["echo"]] = answer
        await cast(WebSocket, self.request).send(chat.call(self.self_id, data["echo"]))
        return await answer

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Not part of the measurement."""
        raise NotImplementedError


def make_driver(port: int, settings: dict[str, Any]) -> Driver:
    """Return a driver that will serve the adapter.

    Args:
        port: Where.
        settings: The ``aiohttp_*`` settings that are not the defaults.
    """
    config = SimpleNamespace(host="127.0.0.1", port=port, log_level="WARNING", **settings)
    driver = Driver(cast(Any, SimpleNamespace(environment="prod")), cast(Any, config))
    driver.register_adapter("limit", LimitBot)
    driver.on_startup(lag.start)
    return driver


def limit_files(count: int) -> None:
    """Allow this process no more open files than that."""
    # Not everywhere.
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def serve(port: int, settings: dict[str, Any], webhook_numbers: int, files: int) -> None:
    """Serve until the runner hangs up.

    Args:
        port: Where.
        settings: The ``aiohttp_*`` settings that are not the defaults.
        webhook_numbers: How many webhooks there can be at most.
        files: How many files may be open; 0 leaves it to the system.
    """
    if files:
        limit_files(files)
    webhooks.extend(bytes(webhook_numbers))
    driver = make_driver(port, settings)

    def tell() -> dict[str, Any]:
        return {
            **counts,
            "bots": len(driver.bots),
            "lag": lag.take(),
            "handled": pack(webhooks),
        }

    answer_questions(tell, driver.exit)
    driver.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
