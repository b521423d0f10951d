"""``WebSocketSuite``: what the two ways of WebSockets share."""

from __future__ import annotations

import abc
import asyncio
import contextlib

from ..platforms.replies import Json
from ..platforms.websockets import NO_CLOSE_FRAME, Connection
from ..wire.faults import Close, Fault, Reset
from .base import GARBAGE, HUGE, TINY, Suite, scenario

ENDS: dict[str, Fault] = {
    **{str(code): Close(code) for code in (1000, 1001, 1006, 1012, 4000)},
    "reset": Reset(),
}
"""How a connection ends, by the code, or without one; 1006 is an end without a close frame."""

ATTEMPTS = 5
"""Connections over which an event is sent until one of them lasts."""


class WebSocketSuite(Suite):
    """What a platform does to a bot over a WebSocket, whoever opens it."""

    _connection: Connection | None = None

    @abc.abstractmethod
    async def connect(self) -> Connection:
        """Return a new connection, and use it from now on."""

    async def come_back(self) -> Connection:
        """Return the next connection, as soon as there is one."""
        return await self.connect()

    async def greet(self, connection: Connection) -> None:
        """Begin a connection as the platform does, such as with a hello and its answer.

        ``connection.on(...).reply(...)`` answers what comes again and again, such as heartbeats.
        """

    async def begin(self, connection: Connection) -> None:
        """Greet, and answer API calls."""
        if self.api is None:
            connection.on(lambda message: self.said(message) is not None).reply(self.take_call)
        await self.greet(connection)

    async def current(self) -> Connection:
        """Return the connection, or a new one if the bot has closed it."""
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self.come_back()
        return connection

    async def send(self, event: Json | bytes) -> None:
        """Send an event; over a new connection if the one that there was has ended."""
        try:
            await (await self.current()).send(event)
        except ConnectionError:
            await (await self.come_back()).send(event)

    async def assert_survives(self, *messages: Json | bytes) -> None:
        """Send messages; the next event is answered, over a new connection if the bot likes."""
        await self.current()
        for message in messages:
            # Bots may close in the middle of one.
            with contextlib.suppress(ConnectionError):
                await (await self.current()).send(message)
        for _ in range(ATTEMPTS):
            if await self._is_heard("survived"):
                return
        raise AssertionError(f"{ATTEMPTS} connections ended before an event was answered")

    async def _is_heard(self, text: str) -> bool:
        """Say something, and tell whether it is answered before the connection ends."""
        connection = await self.current()
        with contextlib.suppress(ConnectionError):
            await connection.send(self.event(f"/say {text}"))
        heard = asyncio.ensure_future(self.answered(text))
        closed = asyncio.ensure_future(connection.closed(deadline=3 * self.patience))
        await asyncio.wait((heard, closed), return_when=asyncio.FIRST_COMPLETED)
        was_heard = heard.done()
        for each in (heard, closed):
            each.cancel()
        await asyncio.gather(heard, closed, return_exceptions=True)
        if was_heard:
            heard.result()
        return was_heard

    @scenario
    async def test_garbage_is_survived(self) -> None:
        """After messages that no platform means the next event is answered."""
        async with self.running():
            texts = [each.decode("utf-8", "replace") for each in GARBAGE]
            await self.assert_survives(*GARBAGE, *texts)

    @scenario
    async def test_tiny_messages_are_survived(self) -> None:
        """After messages with next to nothing in them the next event is answered."""
        async with self.running():
            await self.assert_survives(*(each.decode() for each in TINY))

    @scenario
    async def test_a_huge_message_is_survived(self) -> None:
        """After a text of five million characters the next event is answered."""
        async with self.running():
            await self.assert_survives(self.event(f"/count {'a' * HUGE}"))

    @scenario
    async def test_a_stop_closes_the_connection(self) -> None:
        """A bot that stops says so with a close frame, and plugins hear that it is gone."""
        async with self.running() as bot:
            await self.assert_answers("last")
            connection = await self.current()
            await bot.stop()
            closed = await connection.closed(deadline=self.patience)
            assert closed.code != NO_CLOSE_FRAME, "the connection ended without a close frame"
            heard = bot.all_told("disconnected", late=False)
            assert heard, "plugins did not hear that the bot is gone, or not before the end"
