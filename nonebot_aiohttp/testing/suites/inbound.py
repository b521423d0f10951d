"""``InboundSuite``: what the two ways share in which the platform comes to the bot."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from ..platforms.client import NoAnswer
from .base import PAUSE, WRONG, Suite, scenario
from .rules import needs

T = TypeVar("T")


class InboundSuite(Suite):
    """What a platform does to a bot that it comes to.

    Attributes:
        path: The path of the bot's webhook or WebSocket.
    """

    path: ClassVar[str] = ""

    def target(self, token: str | None) -> str:
        """Return the path with the query, for platforms that show the token there."""
        return self.path

    @abc.abstractmethod
    async def assert_refused(self, token: str | None) -> None:
        """Come with a token, or without one if it is None, and assert that the bot refuses that."""

    async def insist(self, attempt: Callable[[], Awaitable[T]], failed: type[Exception]) -> T:
        """Try again and again, as platforms do, until the bot lets it happen, and return that.

        Args:
            attempt: What is tried, for `patience` seconds.
            failed: What it raises, beside `NoAnswer`, if the bot has not let it happen.

        Raises:
            NoAnswer: The last attempt got no answer; or it raised an error of the kind ``failed``.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience
        while True:
            try:
                return await attempt()
            except (failed, NoAnswer):
                if loop.time() > end:
                    raise
            await asyncio.sleep(PAUSE)

    @needs("token")
    @scenario
    async def test_wrong_credentials_are_refused(self) -> None:
        """A wrong token or signature is answered 4xx, or its WebSocket closed, and not handled."""
        async with self.running():
            await self.assert_refused(WRONG)

    @needs("token")
    @scenario
    async def test_missing_credentials_are_refused(self) -> None:
        """What has neither is answered 4xx, or its WebSocket closed, and not handled."""
        async with self.running():
            await self.assert_refused(None)
