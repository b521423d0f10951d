"""``Status``: what a driver can say of itself at one moment, in plain values.

Times of day are Unix seconds. Names and reasons are as the log shows them, because peers make some
of them up. The size is bounded whatever peers do, but for one entry for each bot and each setup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

UNKNOWN = "unknown"
"""Stands for an adapter that is not registered, or that has not said yet who it is."""


@dataclass(frozen=True)
class _Plain:
    """A part of the status, which can be made plain."""

    def asdict(self) -> dict[str, Any]:
        """Make dictionaries, lists and plain values of it, as JSON has them."""
        return {name: _plain(getattr(self, name)) for name in _names(type(self))}


def _names(kind: type[_Plain]) -> tuple[str, ...]:
    # dataclasses.fields() is slow, and there may be ten thousand bots.
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(each.name for each in fields(kind))
    return names


_NAMES: dict[type[_Plain], tuple[str, ...]] = {}


def _plain(value: Any) -> Any:
    if isinstance(value, _Plain):
        return value.asdict()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class WebhookStatus(_Plain):
    """The webhooks of an adapter.

    Attributes:
        adapter: The adapter's name; ``unknown`` for all that are not registered.
        answered: How many were answered, by the class of the status: ``{"2xx": 12}``.
    """

    adapter: str
    answered: Mapping[str, int]


@dataclass(frozen=True)
class MessageStatus(_Plain):
    """The WebSocket messages of an adapter, of connections that stand and that have ended.

    Attributes:
        adapter: The adapter's name; ``unknown`` where no bot has connected yet.
        received: Messages that came in.
        sent: Messages that went out.
    """

    adapter: str
    received: int
    sent: int


@dataclass(frozen=True)
class WorkStatus(_Plain):
    """Tasks of one kind.

    Attributes:
        kind: ``handler``, and ``hook`` for what runs when bots connect and disconnect; under
            NoneBot2 ``HTTP handler``, ``WebSocket handler`` and ``event``.
        in_flight: How many run now. The events of more than 2,000 WebSockets are counted in the
            background, so that this is the count that the last question has begun.
        failed: How many have failed; None where nobody can count them.
        cut_off: How many were cut off at a stop.
    """

    kind: str
    in_flight: int
    failed: int | None
    cut_off: int


@dataclass(frozen=True)
class BotStatus(_Plain):
    """A bot that is connected.

    Attributes:
        adapter: The adapter's name.
        id: The bot's id.
        way: ``reverse WebSocket``, ``forward WebSocket`` or ``polling``; empty where it is unknown,
            because the adapter has connected the bot by itself.
        connected_since: When it connected.
        messages: Messages of its WebSocket, or answered polls, that have come in since then; None
            where the way is unknown. Bots that share a WebSocket share its messages. A message
            counts as soon as its handler has begun.
        last_message: When the last of them came, to the second; None if none has.
    """

    adapter: str
    id: str
    way: str
    connected_since: float
    messages: int | None
    last_message: int | None


@dataclass(frozen=True)
class GoneStatus(_Plain):
    """A bot that was connected, and has not come back.

    Attributes:
        adapter: The adapter's name.
        id: The bot's id.
        way: See ``BotStatus``.
        gone_since: When it disconnected.
        reason: Why, as far as it is known.
    """

    adapter: str
    id: str
    way: str
    gone_since: float
    reason: str


@dataclass(frozen=True)
class LoopStatus(_Plain):
    """A forward connection: polling, or a WebSocket to the platform.

    Attributes:
        label: Its name, as in the log: ``The polling of bot 1 of my``.
        state: ``connected``, ``connecting``, ``waiting``, or ``ended`` if it can never work.
        attempts: Failed attempts, and connections that have ended, of this outage.
        down_since: When the outage began; None while connected, and before the first attempt has
            failed.
        next_attempt: When the next attempt is made; None but while waiting.
        last_error: What failed last, as the log says it; empty if nothing has.
    """

    label: str
    state: str
    attempts: int
    down_since: float | None
    next_attempt: float | None
    last_error: str


@dataclass(frozen=True)
class CallStatus(_Plain):
    """HTTP requests that adapters have sent to one host.

    Redirects are included, and so is what aiohttp sends again because a connection was lost. So are
    the handshakes of WebSockets that adapters open by themselves, as they do under NoneBot2.

    Attributes:
        host: The host, with its port unless that is the scheme's own; ``other`` for all hosts that
            are beyond the first 32.
        ok: Answered with a status below 400.
        refused: Answered with 4xx.
        failed: Answered with 5xx.
        errors: Not answered: the network failed, or the caller's time was up.
    """

    host: str
    ok: int
    refused: int
    failed: int
    errors: int


@dataclass(frozen=True)
class Status(_Plain):
    """What a driver can say of itself.

    Attributes:
        state: ``not started``, ``starting``, ``running`` or ``stopping``.
        state_since: When it came into this state.
        versions: Versions of ``nonebot_aiohttp``, ``aiohttp``, ``python`` and, where it is the
            face, ``nonebot2``.
        uptime: Seconds since the startup ended; None unless it runs.
        loop_lag: By how many seconds the event loop was late at the most in the last minute; None
            until a second has passed.
        webhooks: The webhooks of each adapter.
        webhooks_in_work: Webhooks that an adapter decides on, or whose handler runs.
        refused: How many requests and handshakes were refused, by the reason. Above 64 reasons the
            rest counts as ``other``.
        messages: The WebSocket messages of each adapter.
        work: Tasks in flight, failed and cut off, of each kind.
        connected: How many bots of each adapter are connected.
        bots: The bots that are connected.
        gone: The bots that have disconnected in the last day and not come back, the latest last;
            100 at most. Those of forward connections are not among them where ``loops`` has these.
        loops: The forward connections.
        calls: HTTP requests to platforms, by host.
        descriptors: File descriptors in use, counted every few seconds; None where that is unknown.
        descriptor_limit: How many there may be; None where they have no limit, as on Windows.
        certificate_expires: When the certificate of ``aiohttp_ssl_certfile`` expires; None without
            one, or where another host has it.
        certificate_renewal_due: From when on it is time to ask why nobody has renewed it: two weeks
            before, or in the last third of a short life.
    """

    state: str
    state_since: float
    versions: Mapping[str, str]
    uptime: float | None
    loop_lag: float | None
    webhooks: tuple[WebhookStatus, ...]
    webhooks_in_work: int
    refused: Mapping[str, int]
    messages: tuple[MessageStatus, ...]
    work: tuple[WorkStatus, ...]
    connected: Mapping[str, int]
    bots: tuple[BotStatus, ...]
    gone: tuple[GoneStatus, ...]
    loops: tuple[LoopStatus, ...]
    calls: tuple[CallStatus, ...]
    descriptors: int | None
    descriptor_limit: int | None
    certificate_expires: float | None
    certificate_renewal_due: float | None


@dataclass(frozen=True)
class Second:
    """What happened in one second, for the plots.

    Attributes:
        webhooks: Webhooks that were answered.
        received: WebSocket messages, and answers to polls, that came in.
        sent: WebSocket messages that went out.
        calls: HTTP requests to platforms.
        failures: Handlers that failed, and calls that were not answered, or with 5xx, 401 or 429.
    """

    webhooks: int
    received: int
    sent: int
    calls: int
    failures: int
