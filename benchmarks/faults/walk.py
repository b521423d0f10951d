"""``walk``: all walkers at once on one driver, and what must hold when they have come home."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
from loguru import logger

from benchmarks.faults import timeline
from benchmarks.faults.bot import WalkBot, make_adapter
from benchmarks.faults.connecting import WebSocketWalker
from benchmarks.faults.forward import ForwardWalker
from benchmarks.faults.ledger import Ledger
from benchmarks.faults.polling import PollingWalker
from benchmarks.faults.reverse import ReverseWalker
from benchmarks.faults.timeline import RealTimeline, Timeline
from benchmarks.faults.walker import ADAPTER, Ground, Walker
from benchmarks.faults.webhook import WebhookWalker
from nonebot_aiohttp import Driver
from tests.support.bots import make_driver
from tests.support.hosts import own_process
from tests.support.leaks import LoopWatch
from tests.support.waiting import eventually

SETTINGS: dict[str, Any] = {
    "max_body_size": 1 << 20,
    "max_message_size": 1 << 20,
    "max_inflight": 25,
    "body_timeout": 0.4,
    "heartbeat": 0.6,
    "probe_timeout": 0.4,
    "handshake_timeout": 1.5,
    "poll_timeout": 1.0,
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
    """What came of a walk.

    Attributes:
        seed: What all choices came from.
        seconds: How long it took.
        cycles: How many faults of each kind there were, by way.
        counts: Deliveries that were sent, acknowledged and handled.
        recoveries: The longest recovery in seconds, by way.
        delays: The longest delay between attempts in seconds on the loop's clock, by way.
        memory: Bytes by which the process has grown since a third of the walk; None when it was
            too short to tell.
        problems: What must not be.
    """

    seed: int
    seconds: float = 0.0
    cycles: dict[str, dict[str, int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, float] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    memory: int | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many faults there were."""
        return sum(sum(kinds.values()) for kinds in self.cycles.values())


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

    Returns:
        The outcome, with the problems that were found.
    """
    started, ledger = time.monotonic(), Ledger()
    watch = LoopWatch()
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
        outcome = make_outcome(ground, crowd)
        # What refers to bots: these frames, and the exceptions in them.
        del driver, host, ground, crowd
        await check_nothing_left(watch, adapter, ledger)
    outcome.memory, outcome.seconds = memory.growth, time.monotonic() - started
    if (memory.growth or 0) > MEMORY_LIMIT:
        ledger.problem(f"the process has grown by {memory.growth} bytes")
    outcome.problems = ledger.problems
    return outcome


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
    """Make walkers for each way."""
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


async def check_nothing_left(watch: LoopWatch, adapter: type[WalkBot], ledger: Ledger) -> None:
    """See tasks, sessions, sockets and bots gone."""
    for leftover in await watch.leftovers(LINGERING):
        ledger.problem(f"left behind: {leftover}")
    gc.collect()
    if adapter.alive:
        ledger.problem(f"{len(adapter.alive)} bots are alive: {list(adapter.alive)[:3]}")


def make_outcome(ground: Ground, crowd: list[Walker]) -> Outcome:
    """Collect the figures."""
    outcome = Outcome(ground.seed, counts=dict(ground.ledger.counts))
    outcome.recoveries = dict(ground.recoveries)
    for (way, name), count in sorted(ground.cycles.items()):
        outcome.cycles.setdefault(way, {})[name] = count
    for walker in crowd:
        if isinstance(walker, ForwardWalker):
            longest = outcome.delays.get(walker.way, 0.0)
            outcome.delays[walker.way] = max(longest, walker.timeline.longest)
    return outcome


class MemoryWatch:
    """Tells how the process has grown since a third of the walk was done.

    Attributes:
        growth: In bytes; None when the walk was too short to tell.
    """

    def __init__(self, ground: Ground, cycles: int | None) -> None:
        self.growth: int | None = None
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
