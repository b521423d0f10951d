"""Measures how soon operators are answered, and for how long an answer holds the event loop up.

The bots are connected by real WebSockets and silent. The runner asks for one endpoint after the
other, again and again.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection

from .measure import CONNECTING_PATIENCE, PATIENCE
from .process import BenchmarkError, Child, free_port, raise_file_limit, start
from .subjects.operated import TOKEN
from .table import align

LONGEST_ANSWER = 50.0
"""Milliseconds within which an answer has to come."""

LONGEST_HOLD = 10.0
"""Milliseconds for which the event loop may be held up at a time."""

ALL_ENDPOINTS = 1_000
"""Bots up to which the limits are for all endpoints."""

MOST_IDS = 1_000
"""Bots that are asked for by their ids."""

HEAD = (
    "milliseconds",
    "KiB",
    "median",
    "longest",
    "processor",
    "hold",
    "collection",
    "first",
    "its hold",
    "",
)

FACES = ("standalone", "nonebot2")
PAUSE = 0.01
"""Seconds between two requests, so that the holds of two are told apart."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that operators ask.

    Attributes:
        path: What is asked for; ``{ids}`` stands for the ids of bots.
        size_counts: Whether the answer is for each bot, so that its limits are for 1,000 bots.
    """

    path: str
    size_counts: bool = False


ENDPOINTS = (
    Endpoint("/livez"),
    Endpoint("/readyz"),
    Endpoint("/readyz?bots={ids}"),
    Endpoint("/metrics"),
    Endpoint("/"),
    Endpoint("/?q=99"),
    # Last, because the garbage collector has to look at what they have made.
    Endpoint("/status", size_counts=True),
    Endpoint("/metrics?bots=1", size_counts=True),
)


@dataclass
class Answers:
    """The figures of one endpoint, in milliseconds.

    Attributes:
        limited: Whether the limits are for it.
        first: How long the first answer took, which may import something.
        took: How long each of the others took.
        processor: Processor time that each of these took, and whatever else ran meanwhile.
        hold: The longest time for which these held the event loop up.
        collection: The longest collection of the garbage collector.
        first_hold: The longest hold of the first answer.
        size: Bytes of the answer.
    """

    path: str
    limited: bool = True
    first: float = 0.0
    took: list[float] = field(default_factory=list)
    processor: float = 0.0
    hold: float = 0.0
    collection: float = 0.0
    first_hold: float = 0.0
    size: int = 0

    @property
    def is_met(self) -> bool:
        """Whether the answers keep within the limits."""
        return max(self.took, default=0.0) <= LONGEST_ANSWER and self.hold <= LONGEST_HOLD


class Asker:
    """Asks a bot."""

    def __init__(self, child: Child, port: int) -> None:
        """Take the bot and its port for operators."""
        self._child = child
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def holds(self) -> tuple[float, float]:
        """Return the longest hold and the longest collection since the last question, in ms."""
        self._child.proceed()
        hold, collection = self._child.hear("hold", PATIENCE)
        return 1000 * hold, 1000 * collection

    def rest(self, seconds: float) -> Answers:
        """Measure the holds while nobody asks: what looks at the counters once a second."""
        self.holds()
        time.sleep(seconds)
        hold, collection = self.holds()
        return Answers("nothing", hold=hold, collection=collection)

    def ask(self, answers: Answers, path: str, times: int) -> Answers:
        """Ask for a path so many times."""
        answers.first, answers.size = self._get(path)
        answers.first_hold, _ = self.holds()
        before = self._child.processor_time()
        for _ in range(times):
            time.sleep(PAUSE)
            answers.took.append(self._get(path)[0])
        answers.processor = 1000 * (self._child.processor_time() - before) / times
        answers.hold, answers.collection = self.holds()
        return answers

    def _get(self, path: str) -> tuple[float, int]:
        started = time.perf_counter()
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        response = self._connection.getresponse()
        body = response.read()
        took = 1000 * (time.perf_counter() - started)
        if response.status != 200:
            raise self._child.failure(f"answered {response.status} to {path}: {body[:200]!r}")
        return took, len(body)


def measure(face: str, bots: int, times: int) -> list[Answers]:
    """Ask each endpoint of a bot process to which so many bots are connected."""
    with _operated(face, bots) as asker:
        ids = ",".join(map(str, range(min(bots, MOST_IDS))))
        measured = [asker.rest(max(times * PAUSE, 3.0))]
        for endpoint in ENDPOINTS:
            limited = bots <= ALL_ENDPOINTS or not endpoint.size_counts
            answers = Answers(endpoint.path, limited)
            measured.append(asker.ask(answers, endpoint.path.format(ids=ids), times))
        return measured


@contextlib.contextmanager
def _operated(face: str, bots: int) -> Iterator[Asker]:
    port, operators = free_port(), free_port()
    with start("subjects.operated", (face, port, operators), "subject", {}) as child:
        child.wait_listening(port)
        url = f"ws://127.0.0.1:{port}/bench/ws"
        with start("load.ws_crowd", ("hold", url, 0, bots), "load", {}) as load:
            load.hear("opened", PATIENCE)
            load.proceed()
            if load.hear("opened", CONNECTING_PATIENCE) != bots:
                raise child.failure(f"did not take in {bots} bots")
            yield Asker(child, operators)


def format_answers(measured: Sequence[Answers]) -> str:
    """Return a table of figures."""
    rows: list[tuple[str, ...]] = [HEAD]
    for each in measured:
        mark = "" if not each.limited else "met" if each.is_met else "MISSED"
        figures = [
            each.size / 1024,
            statistics.median(each.took or [0.0]),
            max(each.took, default=0.0),
            each.processor,
            each.hold,
            each.collection,
            each.first,
            each.first_hold,
        ]
        rows.append((each.path, *(f"{figure:.1f}" for figure in figures), mark))
    return "\n".join(align(rows, left=(0, len(HEAD) - 1)))


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks operations", description=__doc__)
    parser.add_argument("--face", action="append", choices=FACES, help="standalone or nonebot2")
    parser.add_argument("--bots", type=int, action="append", help="connected; 1,000 and 10,000")
    parser.add_argument("--times", type=int, default=100, help="how often each endpoint is asked")
    parser.add_argument("--enforce", action="store_true", help="fail when a limit is missed")
    options = parser.parse_args(arguments)
    raise_file_limit()
    missed = False
    for face in options.face or FACES:
        for bots in options.bots or (ALL_ENDPOINTS, 10 * ALL_ENDPOINTS):
            try:
                measured = measure(face, bots, options.times)
            except BenchmarkError as error:
                print(error, file=sys.stderr)
                return 1
            missed |= any(each.limited and not each.is_met for each in measured)
            print(f"{face}, {bots:,} bots", format_answers(measured), "", sep="\n", flush=True)
    return int(options.enforce and missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
