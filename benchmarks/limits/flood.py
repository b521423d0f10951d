"""A flood of webhooks beyond what the bot can work on, in the middle of steady traffic.

Each webhook has to be answered: accepted and handled once, or refused with 503 and ``Retry-After``
and not handled. The steady traffic shows how soon after the flood all is as before.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..process import START_TIMEOUT
from .packing import unpack
from .report import Figure, exactly, lag_figures, make_parser, run_programs
from .subject import Subject, serving, start_peer

MEMORY_BOUND = 200.0
"""MiB by which the memory may grow."""
RECOVERY_BOUND = 2.0
"""Seconds after the flood within which the throughput has to be normal."""
NORMAL = 0.9
"""Part of the throughput before the flood that counts as normal."""
BEFORE, AFTER = 2.0, 5.0
"""Seconds of steady traffic alone."""
STEADY_CONNECTIONS = 64
LIMIT = 1_000_000
"""Webhooks that one process sends at most."""
WINDOW = 5
"""Tenths of a second over which the throughput is averaged."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        inflight: ``aiohttp_max_inflight``.
        work: Seconds that a handler takes; ``inflight / work`` is the capacity per second.
        connections: How many flood the bot.
        seconds: For how long.
        rate: Webhooks of the steady traffic per second.
        size: Bytes of a webhook.
    """

    inflight: int = 10_000
    work: float = 2.0
    connections: int = 1_000
    seconds: float = 6.0
    rate: float = 500.0
    size: int = 1_000


def measure(options: Options) -> list[Figure]:
    """Flood a bot; return the figures.

    Raises:
        BenchmarkError: A process failed.
    """
    with serving({"aiohttp_max_inflight": options.inflight}, 2 * LIMIT) as subject:
        before = subject.memory()
        with subject.watched() as samples:
            steady, flood = _post(options, subject)
        accepted = steady["accepted"] + flood["accepted"]
        stats = subject.ask_until(lambda stats: bool(stats["webhooks"] >= accepted))
        after = subject.memory()
        most = max(*samples, after) - before
        return [
            *_answers(steady, flood, stats),
            *_recovery(options, steady, flood),
            Figure("memory that was added, at most", most, "MiB", MEMORY_BOUND),
            Figure("memory that stays", after - before, "MiB"),
            *lag_figures(stats["lag"]),
        ]


def _post(options: Options, subject: Subject) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the steady traffic and the flood inside it; return what came of each."""
    common = {"port": subject.port, "limit": LIMIT, "size": options.size, "work": options.work}
    few = {**common, "connections": STEADY_CONNECTIONS, "first": 0}
    many = {**common, "connections": options.connections, "first": LIMIT}
    steadily = {"rate": options.rate}
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        steady = start(start_peer("webhook_peer", kind="steady", how=steadily, arguments=few))
        steady.hear("connected", START_TIMEOUT)
        time.sleep(BEFORE)
        how = {"seconds": options.seconds}
        flood = start(start_peer("webhook_peer", kind="flood", how=how, arguments=many))
        flooded = flood.hear("result", options.seconds + PATIENCE)
        time.sleep(AFTER)
        steady.proceed()
        return steady.hear("result", PATIENCE), flooded


def _answers(
    steady: dict[str, Any], flood: dict[str, Any], stats: dict[str, Any]
) -> Iterator[Figure]:
    accepted = unpack(steady["numbers"]) + unpack(flood["numbers"])
    handled = unpack(stats["handled"])
    differing = sum(a != b for a, b in zip(accepted, handled, strict=True))
    yield Figure("sent in the flood", flood["sent"] / (flood["ended"] - flood["began"]), "/s")
    yield Figure("accepted in the flood", flood["accepted"], "", least=1)
    yield Figure("refused with 503 and Retry-After in the flood", flood["refused"], "", least=1)
    yield exactly("answered otherwise", steady["wrong"] + flood["wrong"], 0, "")
    yield exactly("not answered", steady["unanswered"] + flood["unanswered"], 0, "")
    yield exactly("accepted and not handled once, or refused and handled", differing, 0, "")


def _recovery(options: Options, steady: dict[str, Any], flood: dict[str, Any]) -> Iterator[Figure]:
    counts = {round(tenth * 10): count for tenth, count in steady["timeline"]}
    rates = Rates(counts, round(steady["ended"] * 10))
    began, ended = round(flood["began"] * 10), round(flood["ended"] * 10)
    normal = rates.mean(began - round(BEFORE * 5), began)
    in_time = ended + round(RECOVERY_BOUND * 10)
    yield Figure("steady traffic before the flood", normal, "/s", least=NORMAL * options.rate)
    yield Figure("steady traffic in the flood", rates.mean(began, ended), "/s")
    recovered = rates.first(ended, NORMAL * normal)
    yield Figure("steady traffic normal again after", recovered, "s", most=RECOVERY_BOUND)
    after = rates.mean(in_time, rates.last)
    yield Figure("steady traffic from the bound on", after, "/s", least=NORMAL * normal)


@dataclass(frozen=True)
class Rates:
    """How many webhooks were accepted per second.

    Attributes:
        counts: How many in which tenth of a second.
        last: The tenth in which the traffic ended.
    """

    counts: dict[int, int]
    last: int

    def mean(self, first: int, last: int) -> float:
        """Return the rate from one tenth of a second to another."""
        return sum(self.counts.get(tenth, 0) for tenth in range(first, last)) * 10 / (last - first)

    def first(self, begin: int, least: float) -> float:
        """Return after how many seconds the rate is at least this, for a window's length."""
        for tenth in range(begin, self.last - WINDOW):
            if self.mean(tenth, tenth + WINDOW) >= least:
                return (tenth - begin) / 10
        return (self.last - begin) / 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this program's options to a command line."""
    default = Options()
    add = parser.add_argument
    add("--inflight", type=int, default=default.inflight, help="aiohttp_max_inflight")
    add("--work", type=float, default=default.work, help="seconds that a handler takes")
    add("--connections", type=int, default=default.connections, help="of the flood")
    add("--seconds", type=float, default=default.seconds, help="of the flood")
    add("--rate", type=float, default=default.rate, help="steady webhooks per second")
    add("--size", type=int, default=default.size, help="bytes of a webhook")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = make_parser("limits.flood", __doc__)
    add_options(parser)
    arguments = vars(parser.parse_args())
    json_file = arguments.pop("json")
    options = Options(**arguments)
    return run_programs({"flood": lambda: measure(options)}, json_file)


if __name__ == "__main__":
    sys.exit(main())
