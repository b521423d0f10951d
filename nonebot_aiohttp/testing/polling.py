"""``Updates``: a queue of updates that a bot polls, with an offset by which it confirms them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .background import Background
from .faults import Fault
from .journal import Journal
from .replies import Json
from .seen import Call

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


class Updates:
    """Updates that wait until the bot has confirmed them.

    A poll names the first update that it wants; all before it are confirmed, and never given again.
    A poll without anything to give is held until there is something, or for `hold` seconds.

    Attributes:
        polls: The polls so far, the oldest first.
        failed: Those among them that had a fault.
    """

    def __init__(
        self,
        background: Background,
        *,
        id: str,
        offset: str,
        after: bool,
        hold: float,
        wrap: Wrapping | None,
    ) -> None:
        """Begin without updates; `Platform.updates` has the meaning."""
        self.polls: Journal[Poll] = Journal()
        self.failed: Journal[Poll] = Journal()
        self._background = background
        self._id = id
        self._offset = offset
        self._first = 1 if after else 0
        self._hold = hold
        self._wrap = wrap
        self._waiting: list[Any] = []
        self._faults: deque[Fault] = deque()
        self._changed = asyncio.Event()
        self._is_released = False

    @property
    def offsets(self) -> list[int | None]:
        """What each poll has named, None where it has named nothing."""
        return [poll.offset for poll in self.polls]

    def put(self, *updates: Json) -> None:
        """Have the next poll get updates."""
        self._background.loop.call_soon_threadsafe(self._put, updates)

    def fail(self, *faults: Fault) -> None:
        """Let the next polls have faults in the place of answers, one each."""
        self._faults.extend(faults)

    def release(self) -> None:
        """Answer without updates the poll that is held, or else the next that would be."""
        self._background.loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._is_released = True
        self._changed.set()

    def _put(self, updates: tuple[Json, ...]) -> None:
        self._waiting += updates
        self._changed.set()

    async def answer(self, call: Call) -> Any:
        """Answer a poll, on the platform's event loop."""
        said = call.parameters.get(self._offset)
        offset = None if said is None or said == "" else int(said)
        poll = Poll(offset, call.at)
        self.polls.append(poll)
        if self._faults:
            fault = self._faults.popleft()
            self.failed.append(poll)
            return fault
        if offset is not None:
            first = offset + self._first
            self._waiting = [update for update in self._waiting if update[self._id] >= first]
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
