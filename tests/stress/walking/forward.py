"""Platforms that the bot polls or connects to, and that fail in every way they know."""

from __future__ import annotations

import abc
import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tests.stress.walking.timeline import Timeline, current
from tests.stress.walking.walker import Ground, Walker
from tests.support import scripts
from tests.support.server import Connection, Script, ScriptedServer
from tests.support.waiting import eventually, within

RETRY_AFTER = 2
FLOOD = 100


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes:
        script: What the server does; None refuses the connection.
        slow: Whether the design wants the slowest pace after it.
        floor: Seconds that it wants at least.
    """

    script: Script | None
    slow: bool = False
    floor: float = 0.0


FAILURES: dict[str, Failure] = {
    "refuse": Failure(None),
    "reset": Failure(scripts.reset()),
    "reset after the request": Failure(scripts.reset(after_request=True)),
    "end without an answer": Failure(scripts.raw(b"")),
    "hang": Failure(scripts.hang()),
    "garbage": Failure(scripts.raw(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")),
    "half a head": Failure(scripts.raw(b"HTTP/1.1 200 O")),
    "500": Failure(scripts.status(500)),
    "503": Failure(scripts.status(503)),
    "429": Failure(scripts.status(429, b"", {"Retry-After": str(RETRY_AFTER)}), floor=RETRY_AFTER),
    "401": Failure(scripts.status(401), slow=True),
    "404": Failure(scripts.status(404), slow=True),
}
"""What both kinds of platforms do to an attempt."""


@dataclass(eq=False)
class Turn:
    """A connection on which the platform may speak.

    Attributes:
        connection: The platform's end.
        over: Set when the walker has done with it.
        answer: The event that a poll was answered with.
    """

    connection: Connection
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes | None = None


class ForwardWalker(Walker):
    """A platform that the bot keeps coming back to."""

    interval: float

    def __init__(self, ground: Ground, number: int, timeline: type[Timeline]) -> None:
        """Take a place among the walkers, with a kind of time for its loop."""
        super().__init__(ground, number)
        self.options = ground.driver.options
        self.timeline = timeline(self.options, self.interval, self._lost)
        self.server = ScriptedServer(self._play)
        self.turn: Turn | None = None
        self._plan: deque[Script] = deque()

    @abc.abstractmethod
    def add_setup(self) -> None:
        """Have the driver connect."""

    @abc.abstractmethod
    async def good(self, connection: Connection) -> None:
        """Be a decent platform that speaks in turns."""

    @abc.abstractmethod
    async def say(self, turn: Turn) -> bool:
        """Send an event; tell whether it was handled before the connection ended."""

    @abc.abstractmethod
    def endings(self) -> Mapping[str, Callable[[Turn], Awaitable[None]]]:
        """Return the ways to end a turn, by their names."""

    @abc.abstractmethod
    def failures(self) -> Mapping[str, Failure]:
        """Return the ways to fail an attempt, by their names."""

    def faults(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        endings, failures = self.endings(), self.failures()
        return {
            **{name: partial(self._end, end) for name, end in endings.items()},
            **{name: partial(self._fail, failure) for name, failure in failures.items()},
            "restart": self.restart,
            "flap": self.flap,
            "flood": self.flood,
        }

    async def walk(self, cycles: int) -> None:
        async with self.server:
            current.set(self.timeline)
            self.add_setup()
            await super().walk(cycles)
        for problem in self.timeline.problems:
            self.check(False, problem)

    async def deliver(self) -> None:
        """Get an event handled, on the next connection if need be."""
        deadline = self._deadline()
        while not await self.say(await self._next_turn()):
            assert time.monotonic() < deadline, "no event came through in time"
        self.timeline.is_up = not self.timeline.waiting

    async def leave(self) -> None:
        self.server.attempts.clear()

    async def restart(self) -> None:
        """Stop listening with everything open, and come back after some refusals."""
        await self._end(self._reset)
        await self._refused(1 + self.random.randrange(3))

    async def flap(self) -> None:
        """Be there and gone again, several times, with other failures in between."""
        failures = self.failures()
        for name in self.random.choices(sorted(failures), k=2):
            await self._fail(failures[name])
            await self._next_turn()

    async def flood(self) -> None:
        for _ in range(FLOOD):
            await self.deliver()

    async def _fail(self, failure: Failure) -> None:
        """End the connection and fail the next attempts in one way."""
        await self._end(self._reset)
        times = self.random.randrange(1, 4)
        if failure.script is None:
            await self._refused(times)
            return
        for _ in range(times):
            self._plan.append(failure.script)
            self.timeline.floor = self.timeline.slowest if failure.slow else failure.floor
            await self._wake_and_see_it_fail()

    async def _refused(self, times: int) -> None:
        await self.server.refuse()
        for _ in range(times):
            await self._wake_and_see_it_fail()
        await self.server.listen()

    async def _wake_and_see_it_fail(self) -> None:
        seen = self.timeline.failures
        self.timeline.wake()
        await eventually(
            lambda: self.timeline.failures > seen, self._patience, "the end of an attempt"
        )
        self.timeline.floor = 0.0

    async def _end(self, end: Callable[[Turn], Awaitable[None]]) -> None:
        """End the turn in one way, sometimes after a long time."""
        turn = await self._next_turn()
        if self.random.random() < 0.5:
            self.timeline.stay_up()
        seen = self.timeline.failures
        await within(end(turn), self._patience)
        await eventually(
            lambda: self.timeline.failures > seen, self._patience, "the end of a connection"
        )

    def _begin(self, connection: Connection) -> Turn:
        self._lost()
        self.turn = Turn(connection)
        return self.turn

    def _lost(self) -> None:
        """Let go of the turn, if there is one."""
        if self.turn is not None:
            self.turn.over.set()
            self.turn = None

    async def _next_turn(self) -> Turn:
        """Wait until the bot is there, whatever keeps it; a loaded machine may let it fail."""
        deadline = self._deadline()
        while self.turn is None:
            if self.timeline.waiting:
                self.timeline.wake()
            await eventually(
                lambda: self.turn or self._needs_waking(), self._patience, "the bot's return"
            )
            assert time.monotonic() < deadline, "the bot did not come back in time"
        return self.turn

    def _needs_waking(self) -> bool:
        return self.timeline.waiting and not self.timeline.moves_by_itself

    @property
    def _patience(self) -> float:
        """Seconds within which the loop must do something, its longest delay included."""
        delay = self.timeline.slowest if self.timeline.moves_by_itself else 0.0
        return self.ground.patience + delay

    def _deadline(self) -> float:
        return time.monotonic() + self._patience

    async def _reset(self, turn: Turn) -> None:
        turn.connection.reset()

    async def _abort(self, turn: Turn) -> None:
        turn.connection.abort()

    async def _play(self, connection: Connection) -> None:
        # The record of a server that runs for long would grow without end.
        self.server.attempts.clear()
        await (self._plan.popleft() if self._plan else self.good)(connection)
