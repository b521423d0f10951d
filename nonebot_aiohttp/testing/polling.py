"""``Updates``: a queue of updates that a bot polls, with an offset by which it confirms them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from .background import Background
from .faults import Fault
from .replies import Json
from .seen import Call

Wrapping = Callable[[list[Any]], Any]
"""Makes the JSON of an answer of a list of updates."""


class Updates:
    """Updates that wait until the bot has confirmed them.

    A poll names the first update that it wants; all before it are confirmed, and never given again.
    A poll without anything to give is held until there is something, or for `hold` seconds.

    Attributes:
        offsets: What each poll has named, None where it has named nothing.
        times: When each poll has come, in seconds of a monotonic clock.
        failed_at: When those have come that had a fault.
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
        self.offsets: list[int | None] = []
        self.times: list[float] = []
        self.failed_at: list[float] = []
        self._background = background
        self._id = id
        self._offset = offset
        self._first = 1 if after else 0
        self._hold = hold
        self._wrap = wrap
        self._waiting: list[Any] = []
        self._faults: deque[Fault] = deque()
        self._changed = asyncio.Event()

    def put(self, *updates: Json) -> None:
        """Have the next poll get updates."""
        self._background.loop.call_soon_threadsafe(self._put, updates)

    def fail(self, *faults: Fault) -> None:
        """Let the next polls have faults in the place of answers, one each."""
        self._faults.extend(faults)

    def _put(self, updates: tuple[Json, ...]) -> None:
        self._waiting += updates
        self._changed.set()

    async def answer(self, call: Call) -> Any:
        """Answer a poll, on the platform's event loop."""
        said = call.parameters.get(self._offset)
        offset = None if said is None or said == "" else int(said)
        self.offsets.append(offset)
        self.times.append(call.at)
        if self._faults:
            self.failed_at.append(call.at)
            return self._faults.popleft()
        if offset is not None:
            first = offset + self._first
            self._waiting = [update for update in self._waiting if update[self._id] >= first]
        if not self._waiting:
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._hold)
        given = list(self._waiting)
        return given if self._wrap is None else self._wrap(given)
