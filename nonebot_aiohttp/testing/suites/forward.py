"""``ForwardWebSocketSuite``: the bot connects to the platform."""

from __future__ import annotations

from typing import ClassVar

from ..common.journal import NothingCame
from ..platforms.server import WebSocketRoute
from ..platforms.websockets import Connection
from ..wire.faults import Fault, Slow
from .base import scenario, scenarios
from .websocket import ENDS, WebSocketSuite


class ForwardWebSocketSuite(WebSocketSuite):
    """What a platform whose WebSocket the bot opens does to it.

    Attributes:
        path: The path of the platform's WebSocket, as `Platform.websocket` takes it.
    """

    path: ClassVar[str] = "/"

    _route: WebSocketRoute

    def open_ways(self) -> None:
        """Accept the bot's WebSocket."""
        self._route = self.platform.websocket(self.path, self.begin)

    async def connect(self) -> Connection:
        """Wait for the bot's next connection."""
        try:
            self._connection = await self.platform.connected(deadline=self.patience)
        except NothingCame as error:
            if not self.bot.is_running:
                code = self.bot.exit_code
                raise AssertionError(f"the bot has ended, with exit code {code}: {error}") from None
            raise
        return self._connection

    @scenario
    async def test_a_start_without_the_platform_is_made_good(self) -> None:
        """A bot that starts before its platform connects as soon as that is there."""
        async with self.running_before_the_platform():
            await self.assert_answers("at last")

    @scenario
    async def test_a_refused_handshake_is_made_again(self) -> None:
        """Credentials that are refused at first (401) are shown again, until they are accepted."""
        self._route.refuse(401, times=2)
        async with self.running():
            await self.assert_answers("accepted")

    @scenario
    async def test_a_platform_that_is_unavailable_is_tried_again(self) -> None:
        """A handshake that is answered 503 at first is made again."""
        self._route.refuse(503, times=2)
        async with self.running():
            await self.assert_answers("available")

    @scenario
    async def test_a_slow_platform_is_understood(self) -> None:
        """An event that comes byte by byte is answered."""
        async with self.running():
            await (await self.connect()).fail(Slow(pace=5_000))
            await self.assert_answers("slow")

    @scenario
    async def test_a_platform_that_restarts_is_found_again(self) -> None:
        """After a restart, during which it refuses connections, events are answered."""
        async with self.running():
            await self.assert_answers("before")
            await self.platform.restart(after=0.5)
            await self.connect()
            await self.assert_answers("after")

    @scenarios(ENDS)
    async def test_a_connection_that_ends_is_opened_again(self, fault: Fault) -> None:
        """After an end of the connection, whichever it is, the bot connects again."""
        async with self.running():
            connection = await self.connect()
            await self.assert_answers("before")
            await connection.fail(fault)
            await self.connect()
            await self.assert_answers("after")
