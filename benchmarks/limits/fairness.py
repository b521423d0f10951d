"""Peers that take more than their share must not starve the others on the same event loop.

While one peer does not read, or chats without a pause, or sends a million messages at once, fifty
others hold their exchanges; 99 of 100 of those have to be quick, and none may be lost.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..process import START_TIMEOUT, BenchmarkError, Child
from .report import Figure, Program, exactly, lag_figures, make_parser, percentile, run_chosen
from .subject import Subject, serving, start_peer

OTHERS = 50
"""Connections that must not suffer."""
PATIENCE = 120.0
TALK_MARGIN = 1.0
"""Seconds that the others talk before and after the greedy peer."""
BIG = 64 * 1024
"""Bytes of a message to the peer that does not read."""
DEAF_RATE = 100.0
"""Such messages per second."""
AT_ONCE = 256
"""Exchanges that the chatty peer holds at once."""


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        messages: How many a burst has.
        rate: Events per second of the others, all together.
        seconds: For how long they talk; a burst may be longer.
        bound: Milliseconds that 99 of 100 of their events may take.
    """

    messages: int = 1_000_000
    rate: float = 500.0
    seconds: float = 10.0
    bound: float = 50.0


@dataclass(frozen=True)
class Greed:
    """One way to take more than one's share.

    Attributes:
        kind: The function of ``greedy_peer``.
        counted: What the bot counts of it; see ``bot.KINDS``.
        how: The function's arguments.
    """

    kind: str
    counted: str
    how: dict[str, Any]


def greeds(options: Options) -> dict[str, Greed]:
    """Return all ways by their names."""
    seconds = options.seconds - 2 * TALK_MARGIN
    count = round(DEAF_RATE * seconds)
    big = {"messages": count, "size": BIG, "rate": DEAF_RATE}
    chatting = {"at_once": AT_ONCE, "seconds": seconds}
    many = {"messages": options.messages, "kind": "#"}
    return {
        "slow consumer": Greed("deaf", "sent", big),
        "chatty peer": Greed("chatter", "exchanges", chatting),
        "burst": Greed("burst", "numbered", {**many, "size": 300}),
        "burst of tiny messages": Greed("burst", "numbered", {**many, "size": 10}),
        "burst for slow handlers": Greed("burst", "numbered", {**many, "kind": "~", "size": 300}),
    }


def measure(options: Options, greed: Greed) -> list[Figure]:
    """Let one peer be greedy; return the figures.

    Raises:
        BenchmarkError: A process failed.
    """
    with serving({}) as subject, contextlib.ExitStack() as stack:
        others = stack.enter_context(_start_others(options, subject))
        others.hear("opened", START_TIMEOUT)
        others.proceed()
        others.hear("opened", START_TIMEOUT)
        before = subject.memory()
        others.proceed()
        with subject.watched() as samples:
            peer = start_peer(
                "greedy_peer", url=subject.websocket_url, kind=greed.kind, how=greed.how
            )
            taken = stack.enter_context(peer).hear("result", PATIENCE)
            talk = others.hear("result", options.seconds + PATIENCE)
            expected = _expected(greed, taken, talk)
            stats = subject.ask_until(
                lambda stats: all(stats[kind] == count for kind, count in expected.items())
            )
        duration = taken["ended"] - taken["began"]
        wrong = stats["wrong"] + taken["wrong"] + talk["wrong"]
        return [
            Figure("messages of the greedy peer", taken["sent"] / duration, "/s"),
            *_count_figures(expected, stats),
            exactly("mixed up", wrong, 0, ""),
            *_talk_figures(options, taken, talk),
            *lag_figures(stats["lag"]),
            Figure("memory that was added, at most", max(samples) - before, "MiB"),
        ]


def _start_others(options: Options, subject: Subject) -> contextlib.AbstractContextManager[Child]:
    return start_peer(
        "crowd_peer",
        url=subject.websocket_url,
        first=0,
        few=OTHERS,
        many=0,
        rate=options.rate,
        seconds=options.seconds,
        source="",
    )


def _expected(greed: Greed, taken: dict[str, Any], talk: dict[str, Any]) -> Counter[str]:
    """Return what the bot has to count in the end."""
    return Counter({"exchanges": talk["sent"]}) + Counter({greed.counted: taken["sent"]})


def _count_figures(expected: Counter[str], stats: dict[str, Any]) -> Iterator[Figure]:
    for kind, count in expected.items():
        yield exactly(f"{kind} that the bot counted", stats[kind], count, "")


def _talk_figures(
    options: Options, taken: dict[str, Any], talk: dict[str, Any]
) -> Iterator[Figure]:
    """Yield how the others fared; their latencies count while the greedy peer was at it.

    Raises:
        BenchmarkError: They did not talk at that time.
    """
    latencies = [
        latency for due, latency in talk["latencies"] if taken["began"] <= due <= taken["ended"]
    ]
    if not latencies:
        raise BenchmarkError("the others did not talk while the greedy peer was at it")
    yield exactly("exchanges of the others that were lost", talk["lost"], 0, "")
    yield Figure("latency of the others, events", len(latencies), "")
    yield Figure("latency of the others, p50", percentile(latencies, 50), "ms")
    yield Figure("latency of the others, p99", percentile(latencies, 99), "ms", options.bound)
    yield Figure("latency of the others, the highest", max(latencies), "ms")


def programs(options: Options) -> Mapping[str, Program]:
    """Return a program for each way to be greedy."""
    return {name: partial(measure, options, greed) for name, greed in greeds(options).items()}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this program's options to a command line."""
    default = Options()
    add = parser.add_argument
    add("--messages", type=int, default=default.messages, help="of a burst")
    add("--rate", type=float, default=default.rate, help="events per second of the others")
    add("--seconds", type=float, default=default.seconds, help="for which the others talk")
    add("--bound", type=float, default=default.bound, help="milliseconds at most, p99")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = make_parser("limits.fairness", __doc__)
    add_options(parser)
    return run_chosen(parser, lambda **given: programs(Options(**given)))


if __name__ == "__main__":
    sys.exit(main())
