"""``Ledger``: what was sent, acknowledged and handled, and whether that fits together.

Each delivery has bytes of its own, so that one that is handled twice, changed, invented, or handed
to the wrong bot is told apart from all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass, field

from tests.support.waiting import within

KEPT_PROBLEMS = 50
"""Problems that are kept in words; one defect may make thousands."""


@dataclass
class Delivery:
    """One event on its way to one bot.

    Attributes:
        self_id: The bot that shall get it.
        acknowledged: Whether the peer was told that it arrived.
        handled: Set when its handler has ended.
    """

    self_id: str
    acknowledged: bool = False
    handled: asyncio.Event = field(default_factory=asyncio.Event)


class Ledger:
    """Keeps the books of a walk.

    Attributes:
        counts: How many deliveries were sent, acknowledged, refused and handled.
        problems: What does not fit together, in words.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(sent=0, acknowledged=0, refused=0, handled=0)
        self.problems: list[str] = []
        self._numbers = itertools.count()
        self._open: dict[bytes, Delivery] = {}

    def send(self, self_id: str, order: str = "") -> bytes:
        """Enter a delivery that is about to be sent.

        Args:
            self_id: The bot that shall get it.
            order: What its handler shall do; see ``bot``.

        Returns:
            Its bytes.
        """
        message = f"{self_id} {next(self._numbers)} {order}".encode()
        self._open[message] = Delivery(self_id)
        self.counts["sent"] += 1
        return message

    def acknowledge(self, message: bytes) -> None:
        """Note that the peer was told that a delivery arrived."""
        self.counts["acknowledged"] += 1
        if message in self._open:
            self._open[message].acknowledged = True
            self._settle(message)
        else:
            self.problem(f"{message!r} was acknowledged twice")

    def refuse(self, message: bytes) -> None:
        """Note that the peer was told to keep a delivery: it must not be handled."""
        self.counts["refused"] += 1
        delivery = self._open.pop(message, None)
        if delivery is None or delivery.handled.is_set():
            self.problem(f"{message!r} was refused, but handled")

    def handle(self, self_id: str, message: bytes) -> None:
        """Note that a bot has handled a message."""
        self.counts["handled"] += 1
        delivery = self._open.get(message)
        if delivery is None or delivery.handled.is_set():
            self.problem(f"{message[:80]!r} was handled, but never sent or handled before")
            return
        if delivery.self_id != self_id:
            self.problem(f"{message!r} was handled by {self_id}")
        delivery.handled.set()
        self._settle(message)

    def is_handled(self, message: bytes) -> bool:
        """Tell whether a delivery has been handled."""
        return message not in self._open or self._open[message].handled.is_set()

    async def until_settled(self, timeout: float = 10.0) -> None:
        """Wait until all that was acknowledged is handled, or note what is not."""
        acknowledged = [each for each in self._open.values() if each.acknowledged]
        with contextlib.suppress(AssertionError):
            await within(asyncio.gather(*(each.handled.wait() for each in acknowledged)), timeout)
        for message, delivery in self._open.items():
            if delivery.acknowledged and not delivery.handled.is_set():
                self.problem(f"{message!r} was acknowledged, but not handled")

    def problem(self, text: str) -> None:
        """Note what must not be."""
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(text)

    def _settle(self, message: bytes) -> None:
        """Forget a delivery of which all is known, so that a long walk needs no memory for it."""
        delivery = self._open[message]
        if delivery.acknowledged and delivery.handled.is_set():
            del self._open[message]
