"""``Updates``: a queue of updates that a bot polls, with an offset by which it confirms them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common.journal import Journal
from ..wire.background import Background
from .matching import Path
from .replies import Json, Step
from .routes import Route
from .seen import Call

if TYPE_CHECKING:
    from .platform import Platform

Wrapping = Callable[[list[Any]], Any]
"""Makes the JSON of an answer of a list of updates."""


@dataclass(frozen=True)
class Poll:
    """A poll.

    Attributes:
        offset: What it has named, None if it has named nothing.
        at: When it has come, in seconds of a monotonic clock.
    """

    offset: int | None
    at: float


class Updates(Route):
    """Updates that wait until the bot has confirmed them; `Platform.updates` makes it.

    A poll names the first update that it wants; all before it are confirmed, and never given again.
    A poll without anything to give is held until there is something, or for `hold` seconds.

    It is a route, too: what `reply` and `fail` add answers the next poll instead, once.

    Attributes:
        id: The field of an update with its number.
        calls: The requests of the polls so far, the oldest first.
        polls: The polls so far, the oldest first.
        failed: Those among them that had a fault.
    """

    def __init__(
        self,
        platform: Platform,
        background: Background,
        method: str,
        path: Path,
        host: str | None,
        *,
        id: str,
        offset: str,
        after: bool,
        hold: float,
        wrap: Wrapping | None,
    ) -> None:
        """Begin without updates; `Platform.updates` has the meaning."""
        super().__init__(platform, method, path, None, host)
        self.polls: Journal[Poll] = Journal()
        self.failed: Journal[Poll] = Journal()
        self._background = background
        self.id = id
        self._offset = offset
        self._first = 1 if after else 0
        self._hold = hold
        self._wrap = wrap
        self._waiting: list[Any] = []
        # Tests put updates from threads of their own, while polls are answered.
        self._lock = threading.Lock()
        self._changed = asyncio.Event()
        self._is_released = False
        # After what a test adds comes the queue, for ever.
        self._replies.keep_last(Step(self.answer, None, optional=True))

    @property
    def offsets(self) -> list[int | None]:
        """What each poll has named, None where it has named nothing."""
        return [poll.offset for poll in self.polls]

    def next(self, call: Call) -> Step | None:
        """Note a poll, and return what answers it."""
        step = super().next(call)
        poll = Poll(self._asked(call), call.at)
        self.polls.append(poll)
        if step is not None and step.fault is not None:
            self.failed.append(poll)
        return step

    def release(self) -> None:
        """Answer without updates the poll that is held, or else the next that would be."""
        self._is_released = True
        self._background.soon(self._changed.set)

    def put(self, *updates: Json) -> None:
        """Have the next poll get updates.

        Raises:
            KeyError: An update lacks its number.
        """
        for update in updates:
            if self.id not in update:
                raise KeyError(f"the field {self.id!r} (id= of Platform.updates) in {update!r}")
        with self._lock:
            self._waiting += updates
        self._background.soon(self._changed.set)

    @property
    def waiting(self) -> list[Any]:
        """The updates that the bot has not confirmed."""
        return list(self._waiting)

    async def answer(self, call: Call) -> Any:
        """Answer a poll, on the platform's event loop."""
        offset = self._asked(call)
        if offset is not None:
            first = offset + self._first
            with self._lock:
                self._waiting = [each for each in self._waiting if each[self.id] >= first]
        if not self._waiting:
            await self._wait()
        given = list(self._waiting)
        return given if self._wrap is None else self._wrap(given)

    async def _wait(self) -> None:
        """Hold a poll."""
        if not self._is_released:
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._hold)
        self._is_released = False

    def _asked(self, call: Call) -> int | None:
        said = str(call.parameters.get(self._offset, ""))
        return int(said) if said.lstrip("-").isdigit() else None
