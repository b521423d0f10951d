"""``Journal``: what has happened, in order, for waits that end as soon as it has."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from .timeline import timeline

T = TypeVar("T")
R = TypeVar("R")

DEADLINE = 10.0
"""Seconds until a wait fails: far above what a loaded machine needs; only failures take it."""


class NothingCame(AssertionError):
    """What a test has waited for did not come in time; the text ends with the timeline."""

    def __init__(self, what: str, why: float | str, nearest: str = "") -> None:
        """Take what did not come, in how many seconds or why it cannot, and what came instead."""
        why = why if isinstance(why, str) else f"within {why:g} s"
        parts = (f"{what} did not come {why}", nearest, timeline.render())
        super().__init__("\n\n".join(part for part in parts if part))


@dataclass(eq=False)
class _Waiter:
    decide: Callable[[Sequence[Any]], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def look(self, items: Sequence[Any]) -> bool:
        """Tell whether the wait is over."""
        try:
            result, error = self.decide(items), None
        except Exception as raised:
            result, error = None, raised
        if result is None and error is None:
            return False
        with contextlib.suppress(RuntimeError):  # A loop that is closed has nobody who waits.
            self.loop.call_soon_threadsafe(self._end, result, error)
        return True

    def _end(self, result: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Journal(Sequence[T], Generic[T]):
    """A list that only grows. Any thread appends to it, and any event loop waits on it.

    The kit's threads write down what they see, and the tests wait, whatever loop they run on.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._items: list[T] = []
        self._waiters: list[_Waiter] = []
        self._lock = threading.RLock()

    def append(self, item: T) -> None:
        """Write something down, and end the waits that it decides."""
        with self._lock:
            self._items.append(item)
            self.look_again()

    def locked(self) -> contextlib.AbstractContextManager[Any]:
        """Keep other threads from appending, and other waits from being decided."""
        return self._lock

    def look_again(self) -> None:
        """End the waits that are decided, because what they ask about has changed."""
        with self._lock:
            self._waiters = [each for each in self._waiters if not each.look(self._items)]

    async def wait(
        self,
        decide: Callable[[Sequence[T]], R | None],
        what: str,
        deadline: float | None = None,
        nearest: Callable[[], str] = str,
    ) -> R:
        """Return what a function makes of the items, as soon as that is not None.

        Args:
            decide: It is asked now, and after each new item, in the thread that has brought it.
                What it raises ends the wait.
            what: What is waited for, for the message of a failure.
            deadline: Seconds; None is `DEADLINE`.
            nearest: Tells in that message what came instead; it is asked when the wait has failed.

        Raises:
            NothingCame: The seconds have passed.
        """
        seconds = DEADLINE if deadline is None else deadline
        loop = asyncio.get_running_loop()
        waiter = _Waiter(decide, loop, loop.create_future())
        with self._lock:
            found = decide(self._items)
            if found is not None:
                return found
            self._waiters.append(waiter)
        try:
            # Not wait_for, which may swallow a cancellation before Python 3.12.
            await asyncio.wait((waiter.future,), timeout=seconds)
            if waiter.future.done():
                result: R = waiter.future.result()
                return result
            # A loop that was blocked notices after the deadline what has come before.
            with self._lock:
                found = decide(self._items)
            if found is None:
                raise NothingCame(what, seconds, nearest())
            return found
        finally:
            waiter.future.cancel()
            with self._lock:
                self._waiters = [each for each in self._waiters if each is not waiter]

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"


class Reader(Generic[T]):
    """Takes the items of a journal one after the other, each once, whoever asks."""

    def __init__(self, journal: Journal[T]) -> None:
        """Begin with the first item, whether it has come yet or not."""
        self._journal = journal
        self._taken: set[int] = set()
        self._first = 0

    async def take(
        self,
        matches: Callable[[T], bool],
        what: str,
        deadline: float | None = None,
        *,
        nearest: Callable[[list[T]], str] = lambda _: "",
        over: Callable[[], str | None] = lambda: None,
    ) -> T:
        """Return the first item that matches and was not taken before; wait for it if need be.

        Args:
            matches: Whether an item is the one.
            what: What is waited for, for the message of a failure.
            deadline: Seconds; None is `DEADLINE`.
            nearest: Tells in that message about the items that came and were not taken.
            over: Why nothing more can come, or None as long as it can.

        Raises:
            NothingCame: The seconds have passed, or nothing more can come.
        """
        taken: list[int] = []

        def left() -> list[T]:
            items = list(self._journal)
            return [items[i] for i in range(self._first, len(items)) if i not in self._taken]

        def decide(items: Sequence[T]) -> T | None:
            # The journal is locked, so that no other wait takes the same item.
            if taken:
                return items[taken[0]]
            for index in range(self._first, len(items)):
                if index not in self._taken and matches(items[index]):
                    taken.append(index)
                    self._take(index)
                    return items[index]
            if (why := over()) is not None:
                raise NothingCame(what, f"because {why}", nearest(left()))
            return None

        try:
            return await self._journal.wait(decide, what, deadline, lambda: nearest(left()))
        except BaseException:
            # Nobody has got the item, which may have come while the failure was described: it is
            # there for another wait.
            for index in taken:
                self._give_back(index)
            raise

    def _take(self, index: int) -> None:
        self._taken.add(index)
        while self._first in self._taken:
            self._taken.discard(self._first)
            self._first += 1

    def _give_back(self, index: int) -> None:
        with self._journal.locked():
            self._taken |= set(range(index, self._first))
            self._taken.discard(index)
            self._first = min(self._first, index)
            self._journal.look_again()
