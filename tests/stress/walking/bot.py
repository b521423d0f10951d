"""The adapters of a walk: they enter what arrives in the ledger, and do what it orders."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, ClassVar

from nonebot_aiohttp import Bot, HTTPConnection, HTTPResponse, WebSocket, WebSocketClosed
from nonebot_aiohttp.drivers import Driver as AnyDriver
from tests.stress.walking.ledger import Ledger

SLOW, REPLY, SPAM = "slow", "reply", "spam"
"""Orders: take a while; send the message back; send more than a peer that is deaf can hold."""

SLOW_SECONDS = 0.02
SPAM_CHUNK, SPAM_CHUNKS = "spam" * 16384, 100


class WalkBot(Bot):
    """Lets in whoever says who it is.

    Attributes:
        ledger: Where messages are entered.
        alive: The bots that exist.
    """

    ledger: ClassVar[Ledger]
    alive: ClassVar[weakref.WeakSet[Bot]]

    def __init__(self, self_id: str, request: HTTPConnection) -> None:
        super().__init__(self_id, request)
        self.alive.add(self)

    @property
    def type(self) -> str:
        return "walk"

    @classmethod
    async def check_permission(
        cls, driver: AnyDriver, request: HTTPConnection
    ) -> tuple[str | None, HTTPResponse | None]:
        """Believe the header."""
        return request.headers.get("x-self-id"), None

    async def handle_message(self, message: bytes) -> None:
        """Obey the message and enter it."""
        order = message.rpartition(b" ")[2].decode("latin-1")
        if order == SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        self.ledger.handle(self.self_id, message)
        # The peer of a walk hangs up at any time; that is not a failure of the bot.
        try:
            if order == REPLY:
                await self.send(None, message.decode())
            elif order == SPAM:
                await self._spam()
        except WebSocketClosed:
            pass

    async def _spam(self) -> None:
        for _ in range(SPAM_CHUNKS):
            await self.send(None, SPAM_CHUNK)

    async def _call_api(self, api: str, **data: Any) -> Any:
        raise NotImplementedError

    async def send(self, event: Any, message: Any, **kwargs: Any) -> None:
        """Send text over the bot's WebSocket."""
        assert isinstance(self.request, WebSocket)
        await self.request.send(message)


def make_adapter(ledger: Ledger) -> type[WalkBot]:
    return type("Walking", (WalkBot,), {"ledger": ledger, "alive": weakref.WeakSet()})
