"""``Observer``: makes the status of a driver of the counters that its parts keep."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import aiohttp

from ..connections.descriptors import DescriptorWatch, limit
from ..connections.open_websockets import OpenWebSockets
from ..connections.records import FORWARD, POLLING, REVERSE, BotRecord, BotRecords, shown
from ..connections.sessions import SessionPool
from ..forward.base import ForwardLoop
from ..hosts.certificates import Certificates
from ..life.lifespan import Lifespan
from ..life.tasks import TaskSet
from ..log import loggable
from ..reverse.endpoints import Endpoints
from .sampling import Sampler
from .source import Found
from .status import (
    UNKNOWN,
    BotStatus,
    CallStatus,
    GoneStatus,
    LoopStatus,
    MessageStatus,
    Second,
    Status,
    WebhookStatus,
    WorkStatus,
)

A_TURN = 250
"""Bots that are described before the rest of the loop has its turn."""

SEARCHED_A_TURN = 1000
"""Bots among which is searched before the rest of the loop has its turn."""

COUNT_LASTS = 0.1
"""Seconds after which nobody takes messages that were counted for a status."""

LONGEST_ERROR = 300
"""Characters that the status shows of an error."""


class Events(Protocol):
    """The events that NoneBot handles.

    Attributes:
        cut_off: How many were cut off.
    """

    cut_off: int

    def in_flight(self) -> int:
        """Count the events that are being handled."""

    async def recount(self) -> None:
        """Have ``in_flight`` give a number that is counted now, without blocking the loop."""


@dataclass(frozen=True)
class Observed:
    """The parts of a driver that count.

    Attributes:
        lifespan: The order of starting and stopping.
        websockets: The open WebSockets, by their sets.
        work: The sets of handlers' and hooks' tasks.
        records: The records of the connected bots.
        loops: The forward connections; empty where adapters connect by themselves.
        events: The events of NoneBot; None on the face without it.
        certificates: Gives the certificate that is served; None if there is none.
        versions: Versions besides those of the package, aiohttp and Python.
    """

    lifespan: Lifespan
    endpoints: Endpoints
    pool: SessionPool
    websockets: Sequence[OpenWebSockets]
    work: Sequence[TaskSet]
    records: BotRecords
    descriptors: DescriptorWatch
    loops: Iterable[ForwardLoop] = ()
    events: Events | None = None
    certificates: Callable[[], Certificates | None] = lambda: None
    versions: tuple[tuple[str, str], ...] = ()


class Observer:
    """Tells of one driver; see ``Source``.

    Attributes:
        sampler: Looks once a second; a watch of the lifespan.
    """

    def __init__(self, observed: Observed, time_of_day: Callable[[], float] = time.time) -> None:
        """Take the parts; ``time_of_day`` gives Unix seconds."""
        self._observed = observed
        self._time_of_day = time_of_day
        self.sampler = Sampler(
            self._totals,
            observed.records,
            time_of_day=time_of_day,
            refresh=self._count_messages,
        )
        # The messages that were counted in turns, for the next status, and the monotonic time.
        self._counted: tuple[dict[str, list[int]], float] | None = None
        # What was searched for in turns, and found, for the next find_bots.
        self._searched: tuple[str, list[BotRecord]] | None = None

    @property
    def takes_events(self) -> bool:
        """Whether events are taken in."""
        return self._observed.lifespan.takes_events

    @property
    def state(self) -> str:
        """The state, as ``Status`` has it."""
        return self._observed.lifespan.state.value

    def history(self) -> Sequence[Second]:
        """Give the last five minutes; see ``Source``."""
        return self.sampler.history()

    async def refresh(self) -> None:
        """Count for the next status what takes long, in turns with the rest of the loop."""
        if self._observed.events is not None:
            await self._observed.events.recount()
        await self._count_messages()

    async def _count_messages(self) -> None:
        counts: dict[str, list[int]] = {}
        for websockets in self._observed.websockets:
            _add(counts, await websockets.messages_in_turns())
        self._counted = counts, time.monotonic()

    async def bots(self) -> AsyncIterator[list[BotStatus]]:
        """Yield the connected bots, some at a time, in turns with the rest of the loop."""
        records = tuple(self._observed.records)
        for start in range(0, len(records), A_TURN):
            await asyncio.sleep(0)
            yield [_bot(each) for each in records[start : start + A_TURN]]

    async def search(self, query: str) -> None:
        """Search bots for the next ``find_bots``, in turns with the rest of the loop."""
        if not query:
            return
        found: list[BotRecord] = []
        records = tuple(self._observed.records)
        for start in range(0, len(records), SEARCHED_A_TURN):
            await asyncio.sleep(0)
            some = records[start : start + SEARCHED_A_TURN]
            found += _matching(some, query.casefold(), self._observed.records.connected)
        self._searched = query, found

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Tell which of these bots are not connected; see ``Source``."""
        asked = set(ids)
        found = [record for record in self._observed.records if record.self_id in asked]
        connected = {record.self_id for record in found}
        polled = {record.self_id for record in found if record.way == POLLING}
        if polled:
            connected -= polled & {loop.self_id for loop in self._observed.loops if loop.is_down}
        return [each for each in ids if each not in connected]

    def find_bots(self, query: str = "", start: int = 0, count: int = 200) -> Found:
        """Find connected bots; see ``Source``."""
        records, searched = self._observed.records, self._searched
        self._searched = None
        found: Sequence[BotRecord] = tuple(records)
        if searched is not None and searched[0] == query:
            found = searched[1]
        elif query:
            found = _matching(found, query.casefold(), records.connected)
        shown = tuple(map(_bot, found[start : start + count]))
        return Found(shown, len(found), len(records))

    def status(self, *, bots: bool = True) -> Status:
        """Make the status; see ``Source``."""
        observed, life, now = self._observed, self._observed.lifespan, self._time_of_day()
        certificates = observed.certificates()
        return Status(
            state=life.state.value,
            state_since=life.since,
            versions=self._versions(),
            uptime=now - life.since if life.takes_events else None,
            loop_lag=self.sampler.lag,
            webhooks=tuple(
                WebhookStatus(shown(name) or UNKNOWN, _by_class(counts))
                for name, counts in sorted(observed.endpoints.answered.items())
            ),
            webhooks_in_work=observed.endpoints.gate.inflight,
            refused=dict(observed.endpoints.gate.refused),
            messages=tuple(
                MessageStatus(shown(name) or UNKNOWN, *counts)
                for name, counts in sorted(self._messages().items())
                if name or any(counts)
            ),
            work=tuple(self._work()),
            connected=dict(observed.records.connected),
            bots=tuple(map(_bot, observed.records)) if bots else (),
            gone=tuple(
                GoneStatus(each.adapter, each.shown_id, each.way, each.since, each.reason)
                for each in observed.records.gone()
            ),
            loops=tuple(_loop(each, now) for each in observed.loops),
            calls=tuple(
                CallStatus(host, *counts) for host, counts in observed.pool.calls.by_host()
            ),
            descriptors=observed.descriptors.in_use,
            descriptor_limit=limit(),
            certificate_expires=None if certificates is None else certificates.expires,
            certificate_renewal_due=None if certificates is None else certificates.renewal_due,
        )

    def _versions(self) -> dict[str, str]:
        # Imports go down only, and that module is at the top.
        package: Any = import_module(__name__.partition(".")[0])
        return {
            "nonebot_aiohttp": package.__version__,
            "aiohttp": aiohttp.__version__,
            "python": platform.python_version(),
            **dict(self._observed.versions),
        }

    def _messages(self) -> dict[str, list[int]]:
        # Once, because whoever asks next wants those of then.
        counted, self._counted = self._counted, None
        if counted is not None and time.monotonic() - counted[1] < COUNT_LASTS:
            return counted[0]
        counts: dict[str, list[int]] = {}
        for websockets in self._observed.websockets:
            _add(counts, websockets.messages())
        return counts

    def _work(self) -> list[WorkStatus]:
        work = [
            WorkStatus(each.kind, len(each), each.failed, each.cut_off)
            for each in self._observed.work
        ]
        if (events := self._observed.events) is not None:
            work.append(WorkStatus("event", events.in_flight(), None, events.cut_off))
        return work

    def _totals(self) -> tuple[int, ...]:
        """Count what ``Second`` has."""
        observed, calls = self._observed, self._observed.pool.calls
        messages = self._messages().values()
        return (
            sum(map(sum, observed.endpoints.answered.values())),
            observed.records.polls + sum(received for received, _ in messages),
            sum(sent for _, sent in messages),
            calls.total,
            calls.unwell + sum(each.failed for each in observed.work),
        )


def _by_class(counts: Sequence[int]) -> dict[str, int]:
    return {f"{number}xx": count for number, count in enumerate(counts) if count}


def _add(counts: dict[str, list[int]], others: Mapping[str, Sequence[int]]) -> None:
    for name, (received, sent) in others.items():
        of_name = counts.setdefault(name, [0, 0])
        of_name[0] += received
        of_name[1] += sent


def _matching(records: Iterable[BotRecord], query: str, adapters: Iterable[str]) -> list[BotRecord]:
    """Find the bots whose id, adapter or way contains a text."""
    # Not looked up for each, because thousands of bots have the same adapter and way.
    names = (*adapters, "", REVERSE, FORWARD, POLLING)
    kinds = {name for name in names if query in name.casefold()}
    return [
        each
        for each in records
        if query in each.self_id.casefold()
        or (kinds and (each.adapter in kinds or each.way in kinds))
    ]


def _bot(record: BotRecord) -> BotStatus:
    return BotStatus(
        record.adapter,
        record.shown_id,
        record.way,
        record.since,
        record.messages,
        record.last,
    )


def _loop(loop: ForwardLoop, now: float) -> LoopStatus:
    down_for, next_in = loop.down_for(), loop.next_attempt_in()
    return LoopStatus(
        label=loop.label,
        state=loop.state,
        attempts=loop.attempts,
        down_since=None if down_for is None else now - down_for,
        next_attempt=None if next_in is None else now + next_in,
        last_error=loggable(loop.last_error, LONGEST_ERROR),
    )
