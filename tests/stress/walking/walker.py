"""``Walker``: one peer that goes from fault to fault, and proves after each that all is well."""

from __future__ import annotations

import abc
import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from nonebot_aiohttp import Driver
from tests.stress.walking.ledger import Ledger
from tests.support.client import RawClient
from tests.support.waiting import within

HANGS_UP = (ConnectionError, asyncio.IncompleteReadError)
"""What reading from or writing to a connection raises that the other end has closed."""

ADAPTER = "walking"

FAULT_LIMIT = 60.0
"""Seconds that a fault lasts at most, whatever the peer is still waiting for."""

ATTEMPTS = 3
"""How often a fault is made that the other end hangs up on."""

ENOUGH_PROBLEMS = 20
"""Problems after which a walk ends."""


@dataclass
class Ground:
    """What all walkers share.

    Attributes:
        driver: The driver under test.
        port: Where it listens.
        ledger: The books.
        seed: What all choices come from.
        patience: Seconds within which a fault must be over and its peer be served again, besides
            what a delay between attempts takes.
        deadline: When to end, on the loop's clock; None ends after the cycles.
        cycles: How many faults of each kind there were, by way and name.
        slowest: The longest time in seconds from a fault's end to the next handled event.
    """

    driver: Driver
    ledger: Ledger
    seed: int
    patience: float
    port: int = 0
    deadline: float | None = None
    cycles: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the time is up, or enough has gone wrong."""
        if len(self.ledger.problems) >= ENOUGH_PROBLEMS:
            return True
        return self.deadline is not None and time.monotonic() >= self.deadline


class Walker(abc.ABC):
    """Makes one fault after the other.

    Attributes:
        way: Which of the four ways it goes.
        self_id: Its bot.
        random: Its choices, which do not depend on what other walkers do.
    """

    way: ClassVar[str]

    def __init__(self, ground: Ground, number: int) -> None:
        """Take a place among the walkers; the number tells those of one way apart."""
        self.ground = ground
        self.ledger = ground.ledger
        self.self_id = f"{self.way}-{number}"
        self.random = random.Random(f"{ground.seed} {self.self_id}")
        self._deck: list[str] = []

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Self-ID": self.self_id}

    async def walk(self, cycles: int) -> None:
        """Make faults, so many or until the time is up."""
        await self.arrive()
        while cycles and not self.ground.is_over:
            await self._cycle(self._draw())
            cycles -= 1
        await self.leave()

    @abc.abstractmethod
    def faults(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Return the faults by their names."""

    @abc.abstractmethod
    async def deliver(self) -> None:
        """Get an event handled, whatever is left of the last fault."""

    async def arrive(self) -> None:
        await self.deliver()

    @abc.abstractmethod
    async def leave(self) -> None:
        """Close what is open."""

    async def client(self) -> RawClient:
        return await RawClient.connect(self.ground.port)

    def check(self, holds: bool, text: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.ledger.problem(f"{self.self_id}: {text}")

    async def _cycle(self, name: str) -> None:
        try:
            await self._attempt(name, self.faults()[name])
            started = time.monotonic()
            await within(self.deliver(), FAULT_LIMIT)
        except Exception as error:
            # A wait for ever, for instance; the others walk on.
            self.check(False, f"{name}: {error!r}")
            return
        self.ground.slowest = max(self.ground.slowest, time.monotonic() - started)
        self.ground.cycles[self.way, name] += 1

    async def _attempt(self, name: str, fault: Callable[[], Awaitable[None]]) -> None:
        """Make a fault, and again when the driver hangs up on it.

        A connection that the fault needs may be gone, as on a loaded machine, but not each time:
        then the driver hangs up where it owes an answer.
        """
        for _ in range(ATTEMPTS):
            try:
                await within(fault(), FAULT_LIMIT)
                return
            except HANGS_UP:
                await within(self.deliver(), FAULT_LIMIT)
        self.check(False, f"{name}: hung up on {ATTEMPTS} times")

    def _draw(self) -> str:
        """Draw the next fault from a shuffled deck, so that none stays away for long."""
        if not self._deck:
            self._deck = sorted(self.faults())
            self.random.shuffle(self._deck)
        return self._deck.pop()
