"""Measures what it costs the bot that operators look at it, in processor time for each event.

Processor time, so that neighbours on the machine count little. The subjects are: everything off;
everything on; on, and asked for metrics and the status each second. With ``--before`` also another
directory's package, to compare a change.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from . import measure
from .awake import keep_awake
from .catalog import BenchmarkPath
from .measure import PATIENCE, Measurement, Subject, check
from .neighbours import Neighbours
from .process import BenchmarkError, Child, free_port, raise_file_limit, start
from .results import describe_machine
from .runner import run_path
from .settings import Settings
from .subjects.operated import TOKEN
from .table import format_machine, format_paths

OFF, ON, ASKED, BEFORE = "off", "on", "on, asked each second", "before"
BETWEEN_QUESTIONS = 1.0
QUESTIONS = ("/metrics", "/status")


def _webhook(tree: str, kind: str, subject: Subject, settings: Settings) -> float:
    with _operated(tree, subject, "serve", kind) as (child, port):
        measure.post_one(child, port)
        measure.post_many(port, settings, settings.warmup)
        before = _state(child)
        check(measure.post_many(port, settings, settings.seconds), "requests")
        return _cost(before, _state(child))


def _reverse(tree: str, subject: Subject, settings: Settings) -> float:
    with _operated(tree, subject, "serve", "reverse") as (child, port):
        url = f"ws://127.0.0.1:{port}/bench/ws"
        times = (settings.messages, settings.warmup, settings.seconds)
        before = _state(child)
        with start("load.ws_client", (url, *times), "load", {}) as load:
            check(load.hear("result", settings.seconds + PATIENCE), "messages")
        return _cost(before, _state(child))


def _call(tree: str, subject: Subject, settings: Settings) -> float:
    with start("load.http_server", (), "load", {}) as load:
        url = f"http://127.0.0.1:{load.hear('port', PATIENCE)}/send_msg"
        times = (url, settings.warmup, settings.seconds)
        with _operated(tree, subject, "call", last=times) as (child, _):
            result = child.hear("result", settings.seconds + PATIENCE)
            check(result, "requests")
            return 1e9 * float(result["seconds"] / result["requests"])


def _state(child: Child) -> tuple[int, float]:
    """Return how much a bot has handled, and the processor time that it has used."""
    return measure.steady_count(child), child.processor_time()


def _cost(before: tuple[int, float], after: tuple[int, float]) -> float:
    return 1e9 * (after[1] - before[1]) / (after[0] - before[0])


@contextlib.contextmanager
def _operated(
    tree: str, subject: Subject, *first: str, last: Sequence[object] = ()
) -> Iterator[tuple[Child, int]]:
    """Run a bot, and ask it each second if the subject is that."""
    port, operators = free_port(), free_port()
    is_on = subject.name in (ON, ASKED)
    environment = {"BENCH_TREE": tree} if subject.name == BEFORE else {}
    arguments = (*first, port, operators if is_on else "", *last)
    with start("subjects.operated", arguments, "subject", environment) as child:
        child.wait_listening(port)
        with _asking(operators) if subject.name == ASKED else contextlib.nullcontext():
            yield child, port


@contextlib.contextmanager
def _asking(port: int) -> Iterator[None]:
    """Ask as a scraper does, while the block runs."""
    ended, errors = threading.Event(), []

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(connection):
            while not ended.is_set():
                for path in QUESTIONS:
                    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
                    response = connection.getresponse()
                    response.read()
                    if response.status != 200:
                        errors.append(f"{path} was answered with {response.status}")
                ended.wait(BETWEEN_QUESTIONS)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()
    if errors:
        raise BenchmarkError(errors[0])


def paths(tree: str) -> list[BenchmarkPath]:
    """Return the paths that are measured; ``tree`` is the directory of the package before."""
    names = (OFF, *([BEFORE] if tree else []), ON, ASKED)
    subjects = tuple(Subject(name, "operated", (), ("nonebot_aiohttp",)) for name in names)

    def path(key: str, title: str, measurement: Measurement) -> BenchmarkPath:
        unit = "ns of the processor"
        return BenchmarkPath(key, title, unit, measurement, subjects, (), more_is_better=False)

    return [
        path("webhook", "Webhook in", partial(_webhook, tree, "webhook")),
        path("response", "Webhook in, JSON out", partial(_webhook, tree, "response")),
        path("reverse", "Reverse WebSocket in", partial(_reverse, tree)),
        path("call", "API call out", partial(_call, tree)),
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status."""
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks operated", description=__doc__)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="webhook, response, reverse, call; or all")
    add("--before", default="", metavar="DIRECTORY", help="that has the package to compare with")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=3.0, help="of one measurement")
    options = parser.parse_args(arguments)
    tree = str(Path(options.before).resolve()) if options.before else ""
    settings = replace(default, rounds=options.rounds, seconds=options.seconds)
    raise_file_limit()
    chosen = [each for each in paths(tree) if not options.paths or each.key in options.paths]
    neighbours = Neighbours()
    try:
        with keep_awake() as awake:
            figures = [run_path(each, each.subjects, settings, _tell) for each in chosen]
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    machine: dict[str, Any] = describe_machine(neighbours.share(), awake)
    print(format_paths(figures), format_machine(machine), sep="\n\n")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
