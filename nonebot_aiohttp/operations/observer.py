"""``Observer``: makes the status of a driver of the counters that its parts keep."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from typing import Any, Protocol

import aiohttp

from ..connections.descriptors import DescriptorWatch, limit
from ..connections.fairness import in_turns
from ..connections.open_websockets import OpenWebSockets
from ..connections.records import FORWARD, POLLING, REVERSE, BotRecord, BotRecords
from ..connections.sessions import SessionPool
from ..forward.base import ForwardLoop
from ..hosts.certificates import Certificates
from ..life.lifespan import Lifespan
from ..life.tasks import TaskSet
from ..log import loggable
from ..log.naming import shown
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

LONGEST_ERROR = 300
"""Characters that the status shows of an error."""


_Messages = dict[str, list[int]]
# Messages in and out, by the adapter's name.


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
class Parts:
    """The parts of a driver that count.

    Attributes:
        lifespan: The order of starting and stopping.
        websockets: The open WebSockets, by their sets.
        work: The sets of handlers' and hooks' tasks.
        records: The records of the connected bots.
        loops: The forward connections; empty where adapters connect by themselves.
        events: The events of NoneBot; None on the face without it.
        certificates: Gives the certificate that is served; None where no setting names one.
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

    def __init__(self, parts: Parts, time_of_day: Callable[[], float] = time.time) -> None:
        """Take the parts; ``time_of_day`` gives Unix seconds."""
        self._parts = parts
        self._time_of_day = time_of_day
        self.sampler = Sampler(
            lambda: self._totals(self._messages()),
            self._totals_in_turns,
            parts.records,
            time_of_day=time_of_day,
        )

    @property
    def takes_events(self) -> bool:
        """Whether events are taken in."""
        return self._parts.lifespan.takes_events

    @property
    def state(self) -> str:
        """The state, as ``Status`` has it."""
        return self._parts.lifespan.state.value

    def history(self) -> Sequence[Second]:
        """Give the last five minutes; see ``Source``."""
        return self.sampler.history()

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Tell which of these bots are not connected; see ``Source``."""
        if not ids:
            return []
        asked = set(ids)
        found = [record for record in self._parts.records if record.self_id in asked]
        connected = {record.self_id for record in found}
        polled = {record.self_id for record in found if record.way == POLLING}
        if polled:
            connected -= polled & {loop.self_id for loop in self._parts.loops if loop.is_down}
        return [each for each in ids if each not in connected]

    async def find_bots(self, query: str = "", start: int = 0, count: int = 200) -> Found:
        """Find connected bots; see ``Source``."""
        records = self._parts.records
        found = [*records]
        if query:
            # Not looked up for each, because thousands of bots have the same adapter and way.
            names = (*records.connected, "", REVERSE, FORWARD, POLLING)
            kinds = {name for name in names if query.casefold() in name.casefold()}
            searched, found = found, []
            async for some in in_turns(searched, SEARCHED_A_TURN):
                found += _matching(some, query.casefold(), kinds)
        shown = tuple(map(_bot, found[start : start + count]))
        return Found(shown, len(found), len(records))

    def status(self, *, bots: bool = True) -> Status:
        """Make the status at once; see ``Source``."""
        connected = tuple(map(_bot, self._parts.records)) if bots else ()
        return self._status(self._messages(), connected)

    async def current(self, *, bots: bool = False) -> Status:
        """Make the status in turns with the rest of the event loop; see ``Source``."""
        if self._parts.events is not None:
            await self._parts.events.recount()
        connected: list[BotStatus] = []
        if bots:
            async for some in in_turns(tuple(self._parts.records), A_TURN):
                connected += map(_bot, some)
        return self._status(await self._messages_in_turns(), tuple(connected))

    def _status(self, messages: _Messages, bots: tuple[BotStatus, ...]) -> Status:
        parts, life, now = self._parts, self._parts.lifespan, self._time_of_day()
        certificates = parts.certificates()
        return Status(
            state=life.state.value,
            state_since=life.since,
            versions=self._versions(),
            uptime=now - life.since if life.takes_events else None,
            loop_lag=self.sampler.lag,
            webhooks=tuple(
                WebhookStatus(shown(name) or UNKNOWN, _by_class(counts))
                for name, counts in sorted(parts.endpoints.answered.items())
            ),
            webhooks_in_work=parts.endpoints.gate.inflight,
            refused=dict(parts.endpoints.gate.refused),
            messages=tuple(
                MessageStatus(shown(name) or UNKNOWN, *counts)
                for name, counts in sorted(messages.items())
                if name or any(counts)
            ),
            work=tuple(self._work()),
            connected=dict(parts.records.connected),
            bots=bots,
            gone=tuple(
                GoneStatus(each.adapter, each.shown_id, each.way, each.since, each.reason)
                for each in parts.records.gone()
            ),
            loops=tuple(_loop(each, now) for each in parts.loops),
            calls=tuple(CallStatus(host, *counts) for host, counts in parts.pool.calls.by_host()),
            descriptors=parts.descriptors.in_use,
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
            **dict(self._parts.versions),
        }

    def _messages(self) -> _Messages:
        return _added([each.messages() for each in self._parts.websockets])

    async def _messages_in_turns(self) -> _Messages:
        return _added([await each.messages_in_turns() for each in self._parts.websockets])

    def _work(self) -> list[WorkStatus]:
        work = [
            WorkStatus(each.kind, len(each), each.failed, each.cut_off) for each in self._parts.work
        ]
        if (events := self._parts.events) is not None:
            work.append(WorkStatus("event", events.in_flight(), None, events.cut_off))
        return work

    async def _totals_in_turns(self) -> tuple[int, ...]:
        return self._totals(await self._messages_in_turns())

    def _totals(self, messages: _Messages) -> tuple[int, ...]:
        """Count what ``Second`` has."""
        parts, calls = self._parts, self._parts.pool.calls
        return (
            sum(map(sum, parts.endpoints.answered.values())),
            parts.records.polls + sum(received for received, _ in messages.values()),
            sum(sent for _, sent in messages.values()),
            calls.total,
            calls.unwell + sum(each.failed for each in parts.work),
        )


def _by_class(counts: Sequence[int]) -> dict[str, int]:
    return {f"{number}xx": count for number, count in enumerate(counts) if count}


def _added(counts: list[_Messages]) -> _Messages:
    total: _Messages = {}
    for name, (received, sent) in chain.from_iterable(each.items() for each in counts):
        of_name = total.setdefault(name, [0, 0])
        of_name[0] += received
        of_name[1] += sent
    return total


def _matching(records: Iterable[BotRecord], query: str, kinds: set[str]) -> list[BotRecord]:
    """Find the bots whose id contains a text, or whose adapter or way is one of some."""
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
