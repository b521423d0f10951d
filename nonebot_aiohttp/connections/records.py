"""``BotRecords``: since when each bot is connected, over what, and which bots have gone."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..log.naming import shown
from ..log.redaction import loggable_reason
from .websocket import DriverWebSocket

MOST_GONE = 100
"""Bots that are remembered after they have disconnected; peers make up ids."""

REMEMBERED = 86_400.0
"""Seconds for which they are remembered, because some have left for good."""

REVERSE, FORWARD, POLLING = "reverse WebSocket", "forward WebSocket", "polling"
"""How a bot is connected, for the log."""


class BotRecord:
    """A bot that is connected.

    Attributes:
        self_id: The bot's id.
        shown_id: What may be shown of it, because peers make ids up.
        adapter: The name of its adapter, as it may be shown.
        way: How it is connected, for the log; empty where the adapter has connected it by itself.
        since: When it connected, in Unix seconds.
        websocket: Its WebSocket; None where it has none.
        polls: Answered polls.
        before: Messages that its WebSocket had got when it connected.
        last: When the last message was noticed, in Unix seconds; None before the first.
    """

    # Slots, because there are many idle connections.
    __slots__ = (
        "_seen",
        "adapter",
        "before",
        "last",
        "polls",
        "self_id",
        "shown_id",
        "since",
        "way",
        "websocket",
    )

    def __init__(
        self, self_id: str, adapter: str, way: str, since: float, websocket: DriverWebSocket | None
    ) -> None:
        self.self_id = self_id
        # Here, because it takes long for ten thousand bots at once.
        self.shown_id = shown(self_id)
        self.adapter = adapter
        self.way = way
        self.since = since
        self.websocket = websocket
        self.before = 0 if websocket is None else websocket.received
        self.polls = 0
        self.last: int | None = None
        self._seen = 0

    @property
    def messages(self) -> int | None:
        """Messages and answered polls that have come in; None where nobody counts them.

        Bots that share a WebSocket share its messages.
        """
        if self.websocket is not None:
            return self.websocket.received - self.before
        return self.polls if self.way or self.polls else None

    def notice(self, now: float) -> None:
        """Note that messages have come since the last time, if that is so."""
        messages = self.messages or 0
        if messages != self._seen:
            self._seen, self.last = messages, int(now)


class Gone(NamedTuple):
    """A bot that has disconnected; see ``BotRecord``.

    Attributes:
        shown_id: What may be shown of its id.
        since: When it disconnected, in Unix seconds.
        reason: Why, as the log may show it; empty where that is unknown.
    """

    shown_id: str
    adapter: str
    way: str
    since: float
    reason: str


class BotRecords:
    """Keeps a record of each connected bot, in the order in which they connected.

    Attributes:
        connected: How many bots of each adapter are connected.
        polls: Answered polls of all bots there were.
    """

    def __init__(self, clock: Callable[[], float] = time.time, *, loops_tell: bool = False) -> None:
        """Make it empty.

        Args:
            clock: Gives Unix seconds.
            loops_tell: Whether forward loops tell of their own bots that are down.
        """
        self._clock = clock
        self._told_by_loops = {FORWARD, POLLING} if loops_tell else set()
        # By id(bot), because a bot of the same id may follow before this one has gone.
        self._records: dict[int, BotRecord] = {}
        self._gone: OrderedDict[tuple[str, str], Gone] = OrderedDict()
        self.connected: Counter[str] = Counter()
        self.polls = 0

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[BotRecord]:
        return iter(tuple(self._records.values()))

    def get(self, bot: Any) -> BotRecord | None:
        """Give the record of a bot; None unless it is connected."""
        return self._records.get(id(bot))

    def add(
        self, bot: Any, adapter: str, way: str, websocket: DriverWebSocket | None = None
    ) -> BotRecord:
        """Note that a bot has connected."""
        # Its record may be there: a bot can connect twice, or be gone without having disconnected.
        self._forget(bot)
        adapter = shown(adapter)
        record = BotRecord(str(bot.self_id), adapter, way, self._clock(), websocket)
        self.connected[adapter] += 1
        self._records[id(bot)] = record
        self._gone.pop((adapter, record.self_id), None)
        return record

    def remove(self, bot: Any) -> BotRecord | None:
        """Note that a bot has gone; None if it was not connected."""
        record = self._forget(bot)
        if record is None or record.way in self._told_by_loops:
            return record
        key = record.adapter, record.self_id
        websocket = record.websocket
        reason = ""
        if websocket is not None and websocket.gone:
            closed = websocket.closed_error()
            reason = f"{closed.code} {loggable_reason(closed.reason)}".strip()
        gone = Gone(record.shown_id, record.adapter, record.way, self._clock(), reason)
        self._gone.pop(key, None)
        self._gone[key] = gone
        if len(self._gone) > MOST_GONE:
            self._gone.popitem(last=False)
        return record

    def _forget(self, bot: Any) -> BotRecord | None:
        record = self._records.pop(id(bot), None)
        if record is not None:
            self.connected[record.adapter] -= 1
            if not self.connected[record.adapter]:
                del self.connected[record.adapter]
        return record

    def polled(self, bot: Any) -> None:
        """Count an answered poll."""
        self.polls += 1
        if (record := self._records.get(id(bot))) is not None:
            record.polls += 1

    def gone(self) -> list[Gone]:
        """List the bots that have not come back, the latest last."""
        begin = self._clock() - REMEMBERED
        return [each for each in self._gone.values() if each.since >= begin]
