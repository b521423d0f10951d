"""``walk``: all walkers at once on one driver, and what must hold when they have come home."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from loguru import logger

from nonebot_aiohttp import Driver
from nonebot_aiohttp.testing.bots.leaks import Leaks
from tests.stress.walking import timeline
from tests.stress.walking.bot import WalkBot, make_adapter
from tests.stress.walking.connecting import WebSocketWalker
from tests.stress.walking.ledger import Ledger
from tests.stress.walking.polling import PollingWalker
from tests.stress.walking.reverse import ReverseWalker
from tests.stress.walking.timeline import RealTimeline, Timeline
from tests.stress.walking.walker import ADAPTER, Ground, Walker
from tests.stress.walking.webhook import WebhookWalker
from tests.support.bots import make_driver
from tests.support.hosts import own_process
from tests.support.waiting import eventually

SETTINGS: dict[str, Any] = {
    "max_body_size": 1 << 20,
    "max_message_size": 1 << 20,
    "max_inflight": 25,
    "body_timeout": 0.4,
    "heartbeat": 0.6,
    "probe_timeout": 0.4,
    "handshake_timeout": 2.0,
    "poll_timeout": 2.0,
    "close_timeout": 0.4,
    "keepalive_timeout": 2.0,
    "drain_timeout": 5.0,
}
"""Timeouts that a walk must sit out are short, but a loaded machine needs some for a handshake."""

VIRTUAL = {"backoff_max": 60.0, "stable_after": 30.0}
REAL = {"backoff_max": 2.0, "stable_after": 1.0}

PATIENCE = 15.0
MEMORY_LIMIT = 24 * 1024 * 1024
"""Bytes that the process may grow by between the first third of a walk and its end."""

LINGERING = 15.0
"""Seconds until what is left counts as a leak: old releases of aiohttp read on
for 10 s from a peer that has gone after its body was refused."""

WARM_UP = 1 / 3
ENDLESS = 1e9


@dataclass
class Outcome:
    """What came of a walk: how many faults there were, what must not be, and figures as text."""

    faults: int
    problems: list[str]
    summary: str


async def walk(
    seed: int,
    cycles: int | None,
    *,
    seconds: float | None = None,
    virtual: bool,
    walkers: int = 5,
    patience: float = PATIENCE,
) -> Outcome:
    """Walk at random over faults of all four ways at once, and check what is left.

    Args:
        seed: What all choices come from.
        cycles: How many faults in all; None is without limit.
        seconds: When to end at the latest; None ends after the cycles.
        virtual: Whether delays between attempts take no time.
        walkers: How many peers go each way.
        patience: Seconds within which a peer must be served again after a fault.
    """
    started, ledger = time.monotonic(), Ledger()
    leaks = Leaks()
    with errors_noted(ledger.problem):
        adapter = make_adapter(ledger)
        driver = make_walked_driver(adapter, virtual)
        ground = Ground(driver, ledger, seed, patience)
        ground.deadline = None if seconds is None else started + seconds
        crowd = make_walkers(ground, RealTimeline if not virtual else Timeline, walkers)
        memory = MemoryWatch(ground, cycles)
        async with own_process(driver) as host:
            ground.port = host.port
            await send_out(crowd, cycles, memory)
            await ledger.until_settled()
            memory.finish()
            await check_all_gone(driver, ledger)
        faults, slowest = ground.cycles.total(), ground.slowest
        # What refers to bots: these frames, and the exceptions in them.
        del driver, host, ground, crowd
        await check_nothing_left(leaks, adapter, ledger)
    if memory.growth > MEMORY_LIMIT:
        ledger.problem(f"the process has grown by {memory.growth} bytes")
    counts = ", ".join(f"{count} {name}" for name, count in ledger.counts.items())
    summary = (
        f"{faults} faults in {time.monotonic() - started:.0f} s; deliveries: {counts}; served again"
        f" within {slowest:.1f} s; the process grew by {memory.growth >> 20} MiB"
    )
    return Outcome(faults, ledger.problems, summary)


def make_walked_driver(adapter: type[WalkBot], virtual: bool) -> Driver:
    """Make the driver, whose forward loops tell the time by their walkers' timelines."""
    settings = {**SETTINGS, **(VIRTUAL if virtual else REAL)}
    driver = make_driver(**{f"aiohttp_{name}": value for name, value in settings.items()})
    driver.register_adapter(ADAPTER, adapter)
    loops = driver._loops
    loops._supplies = dataclasses.replace(
        loops._supplies, sleep=timeline.sleep, clock=timeline.clock
    )
    return driver


def make_walkers(ground: Ground, kind: type[Timeline], count: int) -> list[Walker]:
    makers: list[Callable[[int], Walker]] = [
        lambda number: WebhookWalker(ground, number),
        lambda number: ReverseWalker(ground, number),
        lambda number: PollingWalker(ground, number, kind),
        lambda number: WebSocketWalker(ground, number, kind),
    ]
    return [make(number) for number in range(count) for make in makers]


async def send_out(crowd: list[Walker], cycles: int | None, memory: MemoryWatch) -> None:
    """Let all walk at the same time and wait until the last has ended."""
    shares = [
        -1 if cycles is None else len(range(i, cycles, len(crowd))) for i in range(len(crowd))
    ]
    watching = asyncio.ensure_future(memory.watch())
    try:
        await asyncio.gather(*(each.walk(share) for each, share in zip(crowd, shares, strict=True)))
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def check_all_gone(driver: Driver, ledger: Ledger) -> None:
    """See everybody leave ``bots`` whose connection has ended, with the driver still running."""

    def still_there() -> list[str]:
        return [bot for bot in driver.bots if bot.startswith(("webhook", "reverse"))]

    try:
        await eventually(lambda: not still_there(), what="the end of reverse bots")
    except AssertionError:
        ledger.problem(f"still in bots: {still_there()}")
    if driver._host._transport._upgraded:
        ledger.problem(f"{len(driver._host._transport._upgraded)} upgraded connections are kept")


async def check_nothing_left(leaks: Leaks, adapter: type[WalkBot], ledger: Ledger) -> None:
    """See tasks, sessions, sockets and bots gone."""
    for leftover in await leaks.found(LINGERING):
        ledger.problem(f"left behind: {leftover}")
    gc.collect()
    if adapter.alive:
        ledger.problem(f"{len(adapter.alive)} bots are alive: {list(adapter.alive)[:3]}")


class MemoryWatch:
    """Tells by how many bytes the process has grown since a third of the walk was done."""

    def __init__(self, ground: Ground, cycles: int | None) -> None:
        self.growth = 0
        self._ground = ground
        self._cycles = cycles
        self._started = time.monotonic()
        self._before: int | None = None

    async def watch(self) -> None:
        """Wait for a third of the walk, and look."""
        await eventually(self._is_warm, ENDLESS, "a third of the walk")
        self._before = _resident_bytes()

    def finish(self) -> None:
        """Look again."""
        if self._before is not None:
            self.growth = _resident_bytes() - self._before

    def _is_warm(self) -> bool:
        deadline, now = self._ground.deadline, time.monotonic()
        if deadline is not None and now - self._started > WARM_UP * (deadline - self._started):
            return True
        return self._cycles is not None and self._ground.cycles.total() > WARM_UP * self._cycles


def _resident_bytes() -> int:
    gc.collect()
    resident: int = psutil.Process().memory_info().rss
    return resident


@contextlib.contextmanager
def errors_noted(note: Callable[[str], object]) -> Iterator[None]:
    """Note all that is logged as an error, by whomever, while the context lasts."""
    loop = asyncio.get_running_loop()

    def note_line(line: object) -> None:
        note(str(line))

    sink = logger.add(note_line, level="ERROR", format="logged: {message}")
    handler = _Noting(note)
    logging.getLogger().addHandler(handler)
    loop.set_exception_handler(lambda _, context: note(f"the loop says: {context}"))
    try:
        yield
    finally:
        loop.set_exception_handler(None)
        logging.getLogger().removeHandler(handler)
        logger.remove(sink)


class _Noting(logging.Handler):
    def __init__(self, note: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(f"logged: {logging.Formatter().format(record)}")
