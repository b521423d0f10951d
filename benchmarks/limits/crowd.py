"""Ten thousand reverse WebSockets at once in one process, each of them sending and answering.

Every event makes the bot call an API over the same connection and wait for the answer, as an
adapter does. At the end the bot stops, and every peer must hear so.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..process import START_TIMEOUT, BenchmarkError, Child
from .report import Figure, exactly, lag_figures, make_parser, percentile, run_programs
from .subject import Subject, serving, start_peer

GOING_AWAY = "1001"
CONNECTING_PATIENCE = 120.0
PATIENCE = 60.0
OTHER_FILES = 50
"""Files that a process has open beside its connections."""
FEW = 100
"""Connections of each process before the memory is first read; see ``measure.BEFORE_IDLE``."""


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        connections: How many at once.
        clients: Processes that open them.
        rate: Events per second, of all connections together.
        seconds: For how long.
        heartbeat: Seconds between the pings of each connection.
        bound: Milliseconds that 99 of 100 events may take.
    """

    connections: int = 10_000
    clients: int = 2
    rate: float = 5_000
    seconds: float = 10.0
    heartbeat: float = 30.0
    bound: float = 50.0


def measure(options: Options) -> list[Figure]:
    """Connect, exchange and stop; return the figures.

    Raises:
        BenchmarkError: A process failed, or may not open as many files.
    """
    _check_file_limit(options.connections)
    with contextlib.ExitStack() as stack:
        subject = stack.enter_context(serving({"aiohttp_heartbeat": options.heartbeat}))
        clients = _start_clients(stack, options, subject)
        return [
            *_connect(options, subject, clients),
            *_exchange(options, subject, clients),
            *_stop(options, subject, clients),
        ]


def _check_file_limit(connections: int) -> None:
    with contextlib.suppress(ImportError):
        import resource

        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if connections + OTHER_FILES > allowed != resource.RLIM_INFINITY:
            raise BenchmarkError(f"the system allows a process {allowed} open files (ulimit -Hn)")


def _start_clients(stack: contextlib.ExitStack, options: Options, subject: Subject) -> list[Child]:
    share = options.connections // options.clients
    few = min(FEW, share // 2)
    return [
        stack.enter_context(
            start_peer(
                "crowd_peer",
                url=subject.websocket_url,
                first=number * share,
                few=few,
                many=share - few,
                rate=options.rate / options.clients,
                seconds=options.seconds,
                source=_source(number),
            )
        )
        for number in range(options.clients)
    ]


def _source(number: int) -> str:
    # Each address has ports of its own; only Linux has the whole of 127.0.0.0/8 without asking.
    return f"127.0.0.{number + 2}" if sys.platform == "linux" else ""


def _connect(options: Options, subject: Subject, clients: list[Child]) -> list[Figure]:
    few = sum(client.hear("opened", START_TIMEOUT)["count"] for client in clients)
    before = subject.memory()
    subject.ask()
    opened = _next_step(clients, "opened", CONNECTING_PATIENCE)
    more = sum(part["count"] for part in opened) - few
    stats = subject.ask_until(lambda stats: bool(stats["bots"] == few + more))
    memory = (subject.memory() - before) * 1024 / more
    return [
        exactly("connections", stats["bots"], options.connections, ""),
        Figure("connection rate", more / max(part["seconds"] for part in opened), "/s"),
        Figure("memory of an idle connection", memory, "KiB"),
        *lag_figures(stats["lag"], "while they connect"),
    ]


def _exchange(options: Options, subject: Subject, clients: list[Child]) -> list[Figure]:
    memory, cpu = subject.memory(), subject.cpu()
    results = _next_step(clients, "result", options.seconds + PATIENCE)
    sent = sum(result["sent"] for result in results)
    stats = subject.ask_until(lambda stats: bool(stats["exchanges"] == sent))
    latencies = [latency for result in results for _, latency in result["latencies"]]
    return [
        Figure("events", sent / max(result["seconds"] for result in results), "/s"),
        exactly("exchanges that were completed", stats["exchanges"], sent, ""),
        exactly("lost", sum(result["lost"] for result in results), 0, ""),
        exactly("mixed up", stats["wrong"] + sum(result["wrong"] for result in results), 0, ""),
        Figure("latency p50", percentile(latencies, 50), "ms"),
        Figure("latency p99", percentile(latencies, 99), "ms", most=options.bound),
        Figure("latency, the highest", max(latencies), "ms"),
        *lag_figures(stats["lag"], "while they talk"),
        Figure("processor time of an exchange", (subject.cpu() - cpu) * 1e6 / sent, "us"),
        Figure("memory that the talk added", subject.memory() - memory, "MiB"),
    ]


def _stop(options: Options, subject: Subject, clients: list[Child]) -> list[Figure]:
    status, seconds = subject.stop()
    closes: Counter[str] = Counter()
    for client in clients:
        closes.update(client.hear("closes", PATIENCE))
    return [
        exactly("closed with 1001 at the stop", closes[GOING_AWAY], options.connections, ""),
        exactly("exit status", status, 0, ""),
        Figure("time of the stop", seconds, "s"),
    ]


def _next_step(clients: list[Child], key: str, timeout: float) -> list[dict[str, Any]]:
    """Give all clients the sign, and return what each says of the step when it is done."""
    for client in clients:
        client.proceed()
    return [client.hear(key, timeout) for client in clients]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this program's options to a command line."""
    default = Options()
    add = parser.add_argument
    add("--connections", type=int, default=default.connections)
    add("--clients", type=int, default=default.clients, help="processes that connect")
    add("--rate", type=float, default=default.rate, help="events per second, all together")
    add("--seconds", type=float, default=default.seconds, help="for which they talk")
    add("--heartbeat", type=float, default=default.heartbeat, help="aiohttp_heartbeat")
    add("--bound", type=float, default=default.bound, help="milliseconds at most, p99")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = make_parser("limits.crowd", __doc__)
    add_options(parser)
    arguments = vars(parser.parse_args())
    json_file = arguments.pop("json")
    options = Options(**arguments)
    if options.connections % options.clients:
        parser.error("--connections must be a multiple of --clients")
    return run_programs({"crowd": lambda: measure(options)}, json_file)


if __name__ == "__main__":
    sys.exit(main())
