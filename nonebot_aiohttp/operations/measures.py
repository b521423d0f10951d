"""Which figures ``/metrics`` has, and how each is read from a status.

The page ``docs/metrics.md`` has a table of them. Nothing here needs prometheus-client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .status import UNKNOWN, BotStatus, LoopStatus, Status

Row = tuple[tuple[str, ...], float]
"""The values of a sample's labels, and its value."""

_STATES = ("not started", "starting", "running", "stopping")
_LOOP_STATES = ("connected", "connecting", "waiting", "ended")


@dataclass(frozen=True)
class Measure:
    """A figure, which has a sample for each value of its labels.

    Attributes:
        name: Its name as Prometheus stores it, without ``nonebot_aiohttp_``.
        kind: ``gauge``, ``counter`` or ``info``.
        description: What it counts or measures.
        labels: The names of its labels; ``driver`` comes on top.
        read: Gives its samples, one after the other.
    """

    name: str
    kind: str
    description: str
    labels: tuple[str, ...]
    read: Callable[[Status], Iterable[Row]]


def encodable(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Replace halves of surrogate pairs, which JSON can have and UTF-8 cannot."""
    if all(map(str.isascii, labels)):
        return labels
    return tuple(each.encode("utf-8", "replace").decode("utf-8") for each in labels)


def _one(value: float | None) -> Iterator[Row]:
    """Give the only sample; none where the value is unknown."""
    if value is not None:
        yield (), value


def _single(name: str, description: str, read: Callable[[Status], float | None]) -> Measure:
    """Make a gauge without labels."""
    return Measure(name, "gauge", description, (), lambda status: _one(read(status)))


def _versions(status: Status) -> Iterator[Row]:
    names = ("nonebot_aiohttp", "aiohttp", "python", "nonebot2")
    yield tuple(status.versions.get(name, "") for name in names), 1


def _state(status: Status) -> Iterator[Row]:
    for state in _STATES:
        yield (state,), state == status.state


def _webhooks(status: Status) -> Iterator[Row]:
    for each in status.webhooks:
        for answer, number in each.answered.items():
            yield (each.adapter, answer), number


def _failed(status: Status) -> Iterator[Row]:
    for each in status.work:
        if each.failed is not None:
            yield (each.kind,), each.failed


def _adapters(status: Status) -> dict[str, int]:
    """Count no bots of each adapter that has, or had, connections; so alerts can ask for 0."""
    names = {each.adapter for each in status.messages} | {each.adapter for each in status.gone}
    return dict.fromkeys((*status.connected, *sorted(names - {UNKNOWN, ""})), 0)


def _connected(status: Status) -> Iterator[Row]:
    for adapter, number in {**_adapters(status), **status.connected}.items():
        yield (adapter,), number


def _gone(status: Status) -> Iterator[Row]:
    gone = Counter(each.adapter for each in status.gone)
    for adapter, number in {**_adapters(status), **gone}.items():
        yield (adapter,), number


def _loops(status: Status) -> Iterator[Row]:
    numbers = Counter(each.state for each in status.loops)
    for state in _LOOP_STATES:
        yield (state,), numbers[state]


def _oldest_outage(status: Status) -> float | None:
    since = [each.down_since for each in status.loops if each.down_since is not None]
    return min(since, default=None)


def _calls(status: Status) -> Iterator[Row]:
    for each in status.calls:
        yield (each.host, "ok"), each.ok
        yield (each.host, "4xx"), each.refused
        yield (each.host, "5xx"), each.failed
        yield (each.host, "error"), each.errors


MEASURES = (
    Measure(
        "info",
        "info",
        description="Versions of the package, and of what it runs on.",
        labels=("version", "aiohttp", "python", "nonebot2"),
        read=_versions,
    ),
    Measure(
        "state",
        "gauge",
        description="1 for the state in which the driver is, 0 for the other states.",
        labels=("state",),
        read=_state,
    ),
    _single(
        "state_timestamp_seconds",
        description="When the driver came into its state.",
        read=lambda status: status.state_since,
    ),
    _single(
        "event_loop_lag_seconds",
        description="By how much the event loop was late at the most in the last minute.",
        read=lambda status: status.loop_lag,
    ),
    Measure(
        "webhooks_total",
        "counter",
        description="Webhooks that were answered, by the class of the status.",
        labels=("adapter", "status"),
        read=_webhooks,
    ),
    _single(
        "webhooks_in_work",
        description="Webhooks that an adapter decides on, or whose handler runs.",
        read=lambda status: status.webhooks_in_work,
    ),
    Measure(
        "refused_total",
        "counter",
        description="Requests and handshakes that were refused.",
        labels=("reason",),
        read=lambda status: (((reason,), n) for reason, n in status.refused.items()),
    ),
    Measure(
        "messages_received_total",
        "counter",
        description="WebSocket messages that came in.",
        labels=("adapter",),
        read=lambda status: (((each.adapter,), each.received) for each in status.messages),
    ),
    Measure(
        "messages_sent_total",
        "counter",
        description="WebSocket messages that went out.",
        labels=("adapter",),
        read=lambda status: (((each.adapter,), each.sent) for each in status.messages),
    ),
    Measure(
        "tasks_in_flight",
        "gauge",
        description="Handlers, hooks and events that run now.",
        labels=("kind",),
        read=lambda status: (((each.kind,), each.in_flight) for each in status.work),
    ),
    Measure(
        "tasks_failed_total",
        "counter",
        description="Handlers, hooks and events that have failed.",
        labels=("kind",),
        read=_failed,
    ),
    Measure(
        "tasks_cut_off_total",
        "counter",
        description="Handlers, hooks and events that were cut off at a stop.",
        labels=("kind",),
        read=lambda status: (((each.kind,), each.cut_off) for each in status.work),
    ),
    Measure(
        "bots_connected",
        "gauge",
        description="Bots that are connected.",
        labels=("adapter",),
        read=_connected,
    ),
    Measure(
        "bots_gone",
        "gauge",
        description="Bots that have disconnected in the last day and not come back; 100 at most are"
        " remembered.",
        labels=("adapter",),
        read=_gone,
    ),
    Measure(
        "forward_loops",
        "gauge",
        description="Forward connections (polling and WebSockets to platforms), by their state.",
        labels=("state",),
        read=_loops,
    ),
    _single(
        "oldest_outage_timestamp_seconds",
        description="When the oldest outage of a forward connection began that still lasts.",
        read=_oldest_outage,
    ),
    Measure(
        "calls_total",
        "counter",
        description="HTTP requests to platforms, by host and outcome.",
        labels=("host", "outcome"),
        read=_calls,
    ),
    _single(
        "descriptors",
        description="File descriptors that the process has in use.",
        read=lambda status: status.descriptors,
    ),
    _single(
        "descriptors_limit",
        description="File descriptors that the process may have.",
        read=lambda status: status.descriptor_limit,
    ),
    _single(
        "certificate_expiry_timestamp_seconds",
        description="When the certificate of the driver's own server expires.",
        read=lambda status: status.certificate_expires,
    ),
    _single(
        "certificate_renewal_due_timestamp_seconds",
        description="From when on that certificate should have been renewed.",
        read=lambda status: status.certificate_renewal_due,
    ),
)
"""What a scrape has. Its length depends on adapters, hosts and reasons, never on bots."""


@dataclass(frozen=True)
class Detail:
    """A gauge of a single bot or forward connection.

    Attributes:
        name: Its name as Prometheus stores it, without ``nonebot_aiohttp_``.
        description: What it measures.
        read: Reads it from a ``BotStatus`` or ``LoopStatus``; None if it is unknown.
    """

    name: str
    description: str
    read: Callable[[Any], float | None]


@dataclass(frozen=True)
class Group:
    """Details of all bots, or of all forward connections.

    Attributes:
        details: The details.
        labels: The names of their labels; ``driver`` comes on top.
        items: Gives the bots or connections, with the values of their labels.
    """

    details: tuple[Detail, ...]
    labels: tuple[str, ...]
    items: Callable[[Status], Iterable[tuple[tuple[str, ...], Any]]]


def _distinct(names: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Number the names that occur again, because Prometheus refuses a series that comes twice.

    Two names can be the same as soon as they have been cut and redacted for the log.
    """
    numbers: dict[tuple[str, ...], int] = {}
    for name in map(encodable, names):
        found = name
        while found in numbers:
            numbers[name] += 1
            found = (*name[:-1], f"{name[-1]} ({numbers[name]})")
        numbers[found] = 1
        yield found


def _bots(status: Status) -> Iterator[tuple[tuple[str, ...], BotStatus]]:
    names = _distinct((each.adapter, each.id) for each in status.bots)
    for name, bot in zip(names, status.bots, strict=True):
        yield (*name, bot.way), bot


def _forward_loops(status: Status) -> Iterator[tuple[tuple[str, ...], LoopStatus]]:
    names = _distinct((each.label,) for each in status.loops)
    return zip(names, status.loops, strict=True)


BOTS = Group(
    (
        Detail(
            "bot_connected_timestamp_seconds",
            description="When the bot connected.",
            read=lambda bot: bot.connected_since,
        ),
        # It is not a counter, because it goes back to 0 when the bot connects again.
        Detail(
            "bot_messages",
            description="Messages, or answered polls, that have come in since the bot connected.",
            read=lambda bot: bot.messages,
        ),
        Detail(
            "bot_last_message_timestamp_seconds",
            description="When the last message of the bot came in.",
            read=lambda bot: bot.last_message,
        ),
    ),
    labels=("adapter", "bot", "way"),
    items=_bots,
)

LOOPS = Group(
    (
        Detail(
            "forward_loop_connected",
            description="1 if the forward connection stands, else 0.",
            read=lambda loop: loop.state == "connected",
        ),
        Detail(
            "forward_loop_failed_attempts",
            description="Failed attempts, and connections that have ended, of this outage.",
            read=lambda loop: loop.attempts,
        ),
        Detail(
            "forward_loop_outage_timestamp_seconds",
            description="When the outage of the forward connection began.",
            read=lambda loop: loop.down_since,
        ),
        Detail(
            "forward_loop_next_attempt_timestamp_seconds",
            description="When the next attempt of the forward connection is made.",
            read=lambda loop: loop.next_attempt,
        ),
    ),
    labels=("loop",),
    items=_forward_loops,
)

GROUPS = (BOTS, LOOPS)
"""What a scrape has with ``?bots=1`` besides."""
