"""``Bot``: who is tested, whatever runs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..common.journal import Journal

T = TypeVar("T")


class BadEnd(AssertionError):
    """The bot did not end as it should; the text ends with the timeline."""


class LeftBehind(BadEnd):
    """Something of the bot was left when it had ended: tasks, sessions, sockets, processes."""


class Bot:
    """The base of who is tested: where it listens, and what it logs.

    Attributes:
        host: The address of loopback at which it listens.
        port: Its port.
        log: Its log, line by line, without colours.
    """

    def __init__(self, host: str, port: int) -> None:
        """Take where it listens."""
        self.host = host
        self.port = port
        self.log: Journal[str] = Journal()

    @property
    def text(self) -> str:
        """The whole log so far."""
        return "\n".join(self.log)

    def url(self, path: str = "/", scheme: str = "http") -> str:
        """Return the address of a path, which begins with a slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{path}"

    def ws_url(self, path: str = "/") -> str:
        """Return the WebSocket address of a path, which begins with a slash."""
        return self.url(path, "ws")

    async def logged(
        self, wanted: str | re.Pattern[str], number: int = 1, *, deadline: float | None = None
    ) -> str:
        """Wait for a line of the log, and return it; one that has come already counts.

        Args:
            wanted: A text that the line contains, or a regular expression that is found in it.
            number: Which of the lines that match: 2 waits for the second, such as after a
                reconnect.
            deadline: Seconds; None is `nonebot_aiohttp.testing.common.journal.DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
            AssertionError: The bot has ended without it.
        """
        what = f"line {number} of the log with {_text_of(wanted)!r}"
        return await self._nth(self.log, number, lambda line: matches(wanted, line), what, deadline)

    async def _nth(
        self,
        journal: Journal[T],
        number: int,
        is_wanted: Callable[[T], bool],
        what: str,
        deadline: float | None,
    ) -> T:
        """Wait for the item with that number among those that are wanted, and return it."""

        def decide(items: Sequence[T]) -> T | None:
            found = [item for item in items if is_wanted(item)]
            if len(found) < number:
                self._insist(what)
                return None
            return found[number - 1]

        return await journal.wait(decide, what, deadline)

    def _insist(self, what: str) -> None:
        """Raise if something cannot come any more."""


def matches(wanted: str | re.Pattern[str], line: str) -> bool:
    """Tell whether a line contains a text, or a regular expression is found in it."""
    return wanted in line if isinstance(wanted, str) else wanted.search(line) is not None


def _text_of(wanted: str | re.Pattern[str]) -> str:
    return wanted if isinstance(wanted, str) else wanted.pattern
