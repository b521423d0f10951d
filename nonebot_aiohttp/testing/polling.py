"""``Updates``: a queue of updates that a bot polls, with an offset by which it confirms them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .background import Background
from .matching import Path
from .replies import Step
from .routes import Route
from .seen import Call

if TYPE_CHECKING:
    from .platform import Platform

Wrapping = Callable[[list[Any]], Any]
"""Makes the JSON of an answer of a list of updates."""


class Updates(Route):
    """Updates that wait until the bot has confirmed them; `Platform.updates` makes it.

    A poll names the first update that it wants; all before it are confirmed, and never given again.
    A poll without anything to give is held until there is something, or for `hold` seconds.

    It is a route, too: what `reply` and `fail` add answers the next poll instead, once.

    Attributes:
        calls: The polls so far, the oldest first.
        offsets: What each poll has named, None where it has named nothing. Polls that a fault
            struck are not among them.
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
        self.offsets: list[int | None] = []
        self._background = background
        self._id = id
        self._offset = offset
        self._first = 1 if after else 0
        self._hold = hold
        self._wrap = wrap
        self._waiting: list[Any] = []
        self._changed = asyncio.Event()
        # After what a test adds comes the queue, for ever.
        self._replies.keep_last(Step(self.answer, None, optional=True))

    def put(self, *updates: dict[str, Any]) -> None:
        """Have the next poll get updates.

        Raises:
            KeyError: An update lacks its number.
        """
        for update in updates:
            if self._id not in update:
                raise KeyError(f"the field {self._id!r} (id= of Platform.updates) in {update!r}")
        self._waiting += updates
        self._background.soon(self._changed.set)

    @property
    def waiting(self) -> list[Any]:
        """The updates that the bot has not confirmed."""
        return list(self._waiting)

    async def answer(self, call: Call) -> Any:
        """Answer a poll, on the platform's event loop."""
        said = call.parameters.get(self._offset)
        offset = None if said is None or said == "" else int(said)
        self.offsets.append(offset)
        if offset is not None:
            first = offset + self._first
            self._waiting[:] = [each for each in self._waiting if each[self._id] >= first]
        if not self._waiting:
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._hold)
        given = list(self._waiting)
        return given if self._wrap is None else self._wrap(given)
