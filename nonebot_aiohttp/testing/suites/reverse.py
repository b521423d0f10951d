"""``ReverseWebSocketSuite``: the platform connects to the bot."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Mapping
from typing import Any

from ..common.journal import NothingCame
from ..platforms.client import Refused
from ..platforms.websockets import Connection
from ..wire.faults import Close, Fault, Slow
from .base import scenario, scenarios
from .inbound import InboundSuite
from .websocket import ENDS, WebSocketSuite


class ReverseWebSocketSuite(InboundSuite, WebSocketSuite):
    """What a platform that connects to the bot by WebSocket does to it.

    Attributes:
        path: The path of the bot's WebSocket.
    """

    @abc.abstractmethod
    def handshake(self, token: str | None) -> Mapping[str, str]:
        """Return the headers of the handshake that show a token; None shows none."""

    async def connect(self, **options: Any) -> Connection:
        """Open a WebSocket to the bot, with options of `Platform.connect`."""
        self._connection = await self.connect_with(self.token, **options)
        await self.begin(self._connection)
        return self._connection

    async def come_back(self) -> Connection:
        """Open a WebSocket again, and again, as platforms do, until the bot lets it in."""
        return await self.insist(self.connect, Refused)

    async def connect_with(self, token: str | None, **options: Any) -> Connection:
        """Open a WebSocket that shows a token; None shows none."""
        return await self.platform.connect(
            self.bot.ws_url(self.target(token)),
            headers=self.handshake(token),
            deadline=self.patience,
            **options,
        )

    async def status_of(self, url: str, token: str | None) -> int | None:
        """Return the status that refuses a WebSocket; None if it is accepted, and then closed."""
        try:
            connection = await self.platform.connect(
                url, headers=self.handshake(token), deadline=self.patience
            )
        except Refused as refused:
            return refused.status
        try:
            await connection.closed(deadline=self.patience)
        except NothingCame as error:
            raise AssertionError(
                f"accepted, and not closed within {self.patience:g} s: {error}"
            ) from None
        return None

    async def assert_refused(self, token: str | None) -> None:
        """Connect with credentials, and assert that the bot does not let the platform in.

        Some adapters accept before they look at the credentials, and then close.
        """
        status = await self.status_of(self.bot.ws_url(self.target(token)), token)
        assert status is None or 400 <= status < 500, f"refused with {status}, not with 4xx"
        assert not self.bot.all_told("connected"), "the bot was connected"

    async def assert_answers_over(self, connection: Connection, text: str) -> None:
        """Say something over a connection, and no other one, and wait until it is answered."""
        await connection.send(self.event(f"/say {text}"))
        await self.answered(text)

    @scenario
    async def test_credentials_that_come_late_are_accepted(self) -> None:
        """A handshake that comes byte by byte is accepted."""
        async with self.running():
            await self.connect(fault=Slow(pace=1_000))
            await self.assert_answers("late")

    @scenario
    async def test_an_unknown_path_is_refused(self) -> None:
        """A WebSocket at another path is refused, and the bot lets the next one in."""
        async with self.running():
            status = await self.status_of(self.bot.ws_url(f"{self.path}/nowhere"), self.token)
            assert status is not None, "accepted at an unknown path"
            assert 400 <= status < 500, f"refused with {status}, not with 4xx"
            await self.assert_answers("known")

    @scenarios(ENDS)
    async def test_a_platform_that_comes_back_is_let_in(self, fault: Fault) -> None:
        """After an end of the connection the platform connects again, and events are answered."""
        async with self.running():
            await self.assert_answers("before")
            await (await self.current()).fail(fault)
            # Platforms wait for a while, so that it is not the bot's first connection that remains.
            await self.bot.told("disconnected", deadline=self.patience)
            await self.come_back()
            await self.assert_answers("after")

    @scenario
    async def test_of_two_connections_one_works(self) -> None:
        """A second connection of one id is refused, or works also when the first one has ended."""
        async with self.running():
            first = await self.connect()
            await self.assert_answers_over(first, "first")
            try:
                second = await self.connect()
                await self.assert_answers_over(second, "second")
            except (ConnectionError, AssertionError):
                assert first.is_open, "neither of the connections works"
                await self.assert_answers_over(first, "still the first")
                return
            # The bot may have ended it already.
            with contextlib.suppress(ConnectionError):
                await first.fail(Close(1000))
            await first.closed(deadline=self.patience)
            await self.assert_answers_over(second, "second alone")
