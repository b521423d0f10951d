"""``Source``: what the page and the metrics ask, whichever face stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .status import BotStatus, Second, Status


class Found(NamedTuple):
    """Some of the bots that match a search.

    Attributes:
        bots: Those that were asked for.
        total: How many match.
        connected: How many are connected, matching or not.
    """

    bots: tuple[BotStatus, ...]
    total: int
    connected: int


class Source(Protocol):
    """Tells of one driver. What is async takes turns with the rest of the event loop."""

    def status(self, *, bots: bool = True) -> Status:
        """Make the status at once; without ``bots`` the list of bots is empty."""

    async def current(self, *, bots: bool = False) -> Status:
        """Make the status; see ``status``."""

    async def find_bots(self, query: str = "", start: int = 0, count: int = 200) -> Found:
        """Find connected bots, in the order in which they connected.

        Args:
            query: Text that the id, the adapter or the way contains, in upper or lower case.
            start: How many matching bots are left out.
            count: How many bots are returned at most.
        """

    def history(self) -> Sequence[Second]:
        """Give the last five minutes, a second each, the latest last; less after a start."""

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Tell which of these bots are not connected.

        A polling bot stays, but it counts as connected only while its polls are answered.
        """

    @property
    def takes_events(self) -> bool:
        """Whether events are taken in."""
