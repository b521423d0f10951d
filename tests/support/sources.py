"""``FakeSource``: a driver that tells operators what a test wants, without running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nonebot_aiohttp.log.own import Recent
from nonebot_aiohttp.operations.source import Found
from nonebot_aiohttp.operations.status import (
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

NOW = 1_790_000_000.0
"""The time of day at which the fakes are made."""

QUIET = Status(
    state="running",
    state_since=NOW - 3 * 86_400,
    versions={"nonebot_aiohttp": "0.2.0", "aiohttp": "3.14.5", "python": "3.13.1"},
    uptime=3 * 86_400.0,
    loop_lag=0.004,
    webhooks=(),
    webhooks_in_work=0,
    refused={},
    messages=(),
    work=(),
    connected={},
    bots=(),
    gone=(),
    loops=(),
    calls=(),
    descriptors=24,
    descriptor_limit=65_536,
    certificate_expires=None,
    certificate_renewal_due=None,
)
"""A driver that runs, and to which nothing has happened."""


def loop(**changes: Any) -> LoopStatus:
    """Make an outage of a forward connection, with changes."""
    outage = LoopStatus(
        label="The forward WebSocket of bot 10001 of onebot",
        state="waiting",
        attempts=7,
        down_since=NOW - 600,
        next_attempt=NOW + 42,
        last_error="ClientConnectorError: Cannot connect to host platform.example:443",
    )
    return replace(outage, **changes)


TROUBLED = replace(
    QUIET,
    loop_lag=1.25,
    webhooks=(WebhookStatus("onebot", {"2xx": 12_345, "4xx": 3}),),
    webhooks_in_work=2,
    refused={"no adapter is registered": 7, "other": 2},
    messages=(MessageStatus("onebot", 4_321, 99), MessageStatus("", 1, 0)),
    work=(
        WorkStatus("handler", 3, 12, 1),
        WorkStatus("hook", 0, 0, 0),
        WorkStatus("HTTP handler", 0, None, 0),
        WorkStatus("WebSocket handler", 1, None, 0),
        WorkStatus("event", 0, 0, 0),
    ),
    gone=(
        GoneStatus("onebot", "10002", "reverse WebSocket", NOW - 7_000, "1006"),
        GoneStatus("kook", "10003", "", NOW - 130, ""),
    ),
    loops=(
        loop(),
        loop(label="The polling of bot 10004 of my", state="connecting", next_attempt=None),
        loop(label="The polling of bot 10005 of my", state="ended", next_attempt=None),
        loop(label="The polling of bot 10006 of my", state="connected", down_since=None),
    ),
    calls=(
        CallStatus("ok.example", 1_000, 0, 0, 0),
        CallStatus("api.example", 1_000, 3, 2, 1),
        CallStatus("other", 1, 0, 0, 0),
    ),
    descriptors=60_000,
    certificate_expires=NOW + 86_400 * 3,
    certificate_renewal_due=NOW - 1,
)
"""A driver to which everything has happened that the page has words for."""


@dataclass(frozen=True)
class Warned(Recent):
    """A warning that was logged, as the page takes it."""

    when: float = NOW - 60
    level: str = "WARNING"
    text: str = "Bot 1 of my disconnected (polling)"
    adapter: str = ""
    bot: str = ""
    peer: str = ""


def some_bots(number: int) -> list[BotStatus]:
    """Make bots, each with another id."""
    ways = "reverse WebSocket", "forward WebSocket", "polling", ""
    return [
        BotStatus(
            adapter="onebot" if at % 2 else "kook",
            id=f"{20_000 + at}",
            way=ways[at % 4],
            connected_since=NOW - 100_000 + at,
            messages=at if ways[at % 4] else None,
            last_message=int(NOW) - at if at % 4 in (0, 1) else None,
        )
        for at in range(number)
    ]


@dataclass
class FakeSource:
    """A ``Source`` of fixed values, which notes what it is asked for.

    Attributes:
        told: The status.
        bots: The bots that are connected.
        seconds: The history.
        asked: The arguments of each search.
    """

    told: Status = QUIET
    bots: Sequence[BotStatus] = ()
    seconds: Sequence[Second] = ()
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def status(self, *, bots: bool = True) -> Status:
        """Give the status, with the number of bots of each adapter."""
        adapters = [bot.adapter for bot in self.bots]
        connected = {name: adapters.count(name) for name in dict.fromkeys(adapters)}
        shown = tuple(self.bots) if bots else ()
        return replace(self.told, connected=connected, bots=shown)

    async def current(self, *, bots: bool = False) -> Status:
        """Give the status."""
        return self.status(bots=bots)

    async def find_bots(self, query: str = "", start: int = 0, count: int = 200) -> Found:
        """Find bots as a driver does."""
        self.asked.append((query, start, count))
        words = query.casefold()
        found = [
            bot
            for bot in self.bots
            if any(words in text.casefold() for text in (bot.id, bot.adapter, bot.way))
        ]
        return Found(tuple(found[start : start + count]), len(found), len(self.bots))

    def history(self) -> Sequence[Second]:
        """Give the history."""
        return self.seconds

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Tell which of these bots are not connected."""
        return [each for each in ids if each not in {bot.id for bot in self.bots}]

    @property
    def takes_events(self) -> bool:
        """Whether it runs."""
        return self.told.state == "running"


def some_seconds(number: int = 300) -> list[Second]:
    """Make a history of rising and falling values."""
    return [Second(at % 7, at % 50, at % 11, at % 3, at % 100 == 1) for at in range(number)]
