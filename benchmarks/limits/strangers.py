"""Strangers, who need no token, must neither fill the memory nor starve a peer beside them.

While they attack, a well-behaved peer posts webhooks steadily; all of these have to be answered,
and 99 of 100 quickly.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..process import START_TIMEOUT, BenchmarkError, Child
from .bot import LONG_WORK
from .report import Figure, Program, exactly, lag_figures, make_parser, percentile, run_chosen
from .subject import MIB, Subject, serving, start_peer

PEER_CONNECTIONS = 64
"""Of the well-behaved peer: it stays busy at a stall of a third of a second."""
FEW_CONNECTIONS = 40
"""The same where files are few: a fifth of a second."""
LIMIT = 100_000
"""Webhooks that it sends at most."""
ALONE = 1.5
"""Seconds that it posts before the attack, and after it."""
PATIENCE = 90.0
"""Seconds that an attack, or the last answers, may take."""
BODY = 16 * MIB
"""Bytes of a body, half of ``aiohttp_max_body_size``."""
FULL = 20
"""Bodies of which some may be kept to the end; ``aiohttp_max_body_memory`` has room for 16."""
BODY_MEMORY, BODY_MARGIN = 256.0, 128.0
"""MiB of ``aiohttp_max_body_memory``, and beyond it, by which the memory may grow."""
MEMORY_BOUND = 200.0
"""MiB by which the memory may grow where events are many."""
SHORT = 2
"""Seconds of ``aiohttp_keepalive_timeout`` and ``aiohttp_heartbeat``."""
DEAF, DROP_BOUND = 10, 20.0
"""Strangers who never read, and seconds within which they have to be dropped."""
BIG, BIG_RATE = 64 * 1024, 200.0
"""Bytes of a message that a stranger does not read, and how many of them per second."""
SILENT, HANDSHAKE_TIMEOUT, HANDSHAKE_BOUND = 50, 1, 5.0
"""Silent TLS clients, the setting, and seconds within which they have to be dropped."""
LATER = 2.0
"""Seconds beyond a bound that a stranger waits."""
FILES, STARVING, FILE_SECONDS = 128, 300, 10.0
"""Files that the bot may have open, strangers who take them, and for how long."""
LINES_BOUND, BACK_BOUND = 3, 5.0
"""Lines of its log about it, and seconds after which new connections have to be served again."""
TRY_AGAIN_LATER = 1013
"""The code for a WebSocket that asks for too much (IANA's registry of close codes)."""


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        bodies: How many never end.
        pace: MiB of them per second.
        seconds: For how long requests are pipelined.
        messages: How many events of slow handlers a WebSocket sends.
        rate: Webhooks of the well-behaved peer per second.
        bound: Milliseconds that 99 of 100 of them may take.
    """

    bodies: int = 80
    pace: float = 100.0
    seconds: float = 10.0
    messages: int = 200_000
    rate: float = 200.0
    bound: float = 50.0


Judge = Callable[[dict[str, Any]], Iterator[Figure]]
"""Makes figures of what a function of ``stranger_peer`` returns."""


@dataclass(frozen=True)
class Attack:
    """One way to do harm.

    Attributes:
        kind: The function of ``stranger_peer``.
        how: The function's arguments.
        judge: See ``Judge``.
        settings: The bot's settings, without prefix.
        memory: MiB by which the bot's memory may grow, or None.
        tls: Whether the bot serves TLS.
        refusals: Whether the well-behaved peer may be refused with 503.
    """

    kind: str
    how: dict[str, Any]
    judge: Judge
    settings: dict[str, Any] = field(default_factory=dict)
    memory: float | None = None
    tls: bool = False
    refusals: bool = False


def attacks(options: Options) -> dict[str, Attack]:
    """Return all ways by their names."""
    return {
        "bodies that never end": _bodies(options),
        "pipelining and reading, 1 stranger": _pipelining(options, 1),
        "pipelining and reading, 20 strangers": _pipelining(options, 20),
        "pipelining and never reading": _deaf_pipelining(),
        "a WebSocket that sends and never reads": _deaf_socket(),
        "silent TLS clients": _silent_tls(),
        "a WebSocket with slow handlers": _slow_handlers(options),
    }


def _bodies(options: Options) -> Attack:
    least = max(0, options.bodies - FULL)

    def judge(taken: dict[str, Any]) -> Iterator[Figure]:
        yield Figure("bodies, without the last bytes", taken["sent"] / MIB, "MiB")
        yield Figure("bodies refused with 503 and Retry-After", taken["refused"], "", least=least)
        yield exactly("refused and closed", taken["closed"], taken["refused"], "")
        yield Figure("time until those were closed", taken["closing"], "s")

    how = {"connections": options.bodies, "size": BODY, "rate": options.pace}
    return Attack("unfinished", how, judge, memory=BODY_MEMORY + BODY_MARGIN)


def _pipelining(options: Options, strangers: int) -> Attack:
    def judge(taken: dict[str, Any]) -> Iterator[Figure]:
        duration = taken["ended"] - taken["began"]
        yield Figure("answers to the strangers", taken["answers"] / duration, "/s", least=1)
        yield Figure("strangers' connections that were dropped", taken["drops"], "")

    how = {"connections": strangers, "seconds": options.seconds}
    return Attack("pipeline", how, judge)


def _deaf_pipelining() -> Attack:
    how = {"connections": DEAF, "seconds": DROP_BOUND + LATER}
    settings = {"keepalive_timeout": SHORT}
    return Attack("deaf pipeline", how, partial(_drops, DEAF, DROP_BOUND), settings)


def _deaf_socket() -> Attack:
    how = {"size": BIG, "rate": BIG_RATE, "seconds": DROP_BOUND + LATER}
    judge = partial(_drops, 1, DROP_BOUND)
    return Attack("deaf socket", how, judge, {"heartbeat": SHORT}, memory=MEMORY_BOUND)


def _silent_tls() -> Attack:
    how = {"connections": SILENT, "seconds": HANDSHAKE_BOUND + LATER, "again": False}
    judge = partial(_drops, SILENT, HANDSHAKE_BOUND)
    settings = {"handshake_timeout": HANDSHAKE_TIMEOUT}
    return Attack("silent", how, judge, settings, tls=True)


def _slow_handlers(options: Options) -> Attack:
    def judge(taken: dict[str, Any]) -> Iterator[Figure]:
        yield Figure("events that were sent", taken["sent"], "")
        yield exactly("code that the WebSocket was closed with", taken["code"], TRY_AGAIN_LATER, "")

    how = {"messages": options.messages, "size": 300, "stay": LONG_WORK}
    return Attack("burst", how, judge, memory=MEMORY_BOUND, refusals=True)


def _drops(count: int, bound: float, taken: dict[str, Any]) -> Iterator[Figure]:
    yield exactly("strangers' connections that were dropped", taken["dropped"], count, "")
    yield Figure("the longest of them lasted", taken["longest"], "s", bound)


def measure(options: Options, attack: Attack) -> list[Figure]:
    """Let strangers attack the bot; return the figures.

    Raises:
        BenchmarkError: A process failed.
    """
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        tls, cafile = start(_certified()) if attack.tls else ({}, "")
        subject = start(serving(_prefixed({**attack.settings, **tls}), LIMIT))
        peer = start(_start_peer(subject, PEER_CONNECTIONS, options.rate, cafile))
        peer.hear("connected", START_TIMEOUT)
        time.sleep(ALONE)
        before, _ = subject.memory(), subject.ask()
        with subject.watched() as samples:
            taken = _attack(subject, attack.kind, attack.how)
            growth = max(samples) - before
        stats = subject.ask()
        time.sleep(ALONE)
        posted = _end_of(peer)
        return [
            *attack.judge(taken),
            Figure("memory that was added, at most", growth, "MiB", attack.memory),
            Figure("lines that the bot logged", subject.log_lines(), ""),
            *_peer_figures(options, posted, taken, attack.refusals),
            *lag_figures(stats["lag"]),
        ]


def measure_starving(options: Options, loop: str) -> list[Figure]:
    """Take all of the bot's file descriptors; return the figures.

    Args:
        options: What the command line says.
        loop: ``aiohttp_loop``.

    Raises:
        BenchmarkError: A process failed.
    """
    figures: list[Figure] = []
    settings = _prefixed({"keepalive_timeout": SHORT, "loop": loop})
    try:
        with serving(settings, 2 * LIMIT, FILES) as subject:
            figures += _starve(options, subject)
    except BenchmarkError:
        # A traceback in the bot's log is among the lines that were counted.
        if not figures:
            raise
    return figures


def _starve(options: Options, subject: Subject) -> list[Figure]:
    how = {"connections": STARVING, "seconds": FILE_SECONDS, "again": True}
    with _start_peer(subject, FEW_CONNECTIONS, options.rate) as peer:
        peer.hear("connected", START_TIMEOUT)
        time.sleep(ALONE)
        lines = subject.log_lines()
        taken = _attack(subject, "silent", how)
        lines = subject.log_lines() - lines
        posted = _end_of(peer)
    gone = time.monotonic()
    with _start_peer(subject, FEW_CONNECTIONS, options.rate, first=LIMIT) as newcomer:
        newcomer.hear("connected", START_TIMEOUT)
        time.sleep(BACK_BOUND)
        again = _end_of(newcomer)
    served = again["latencies"] or [(gone + BACK_BOUND, 0.0)]
    back = served[0][0] + served[0][1] / 1000 - gone
    return [
        Figure("strangers' connections that were dropped", taken["dropped"], ""),
        Figure("lines that the bot logged meanwhile", lines, "", most=LINES_BOUND),
        *_peer_figures(options, posted, taken),
        Figure("a newcomer was served after", back, "s", most=BACK_BOUND),
        *_lost_figures("newcomer's webhooks", again),
    ]


@contextlib.contextmanager
def _certified() -> Iterator[tuple[dict[str, str], str]]:
    """Make a certificate; yield the settings for it, and the file of whom to trust."""
    from tests.support.certs import make_tls

    with tempfile.TemporaryDirectory() as directory:
        tls = make_tls(Path(directory))
        pair = {"ssl_certfile": str(tls.cert_file), "ssl_keyfile": str(tls.key_file)}
        yield pair, str(tls.ca_file)


def _prefixed(settings: dict[str, Any]) -> dict[str, Any]:
    return {f"aiohttp_{name}": value for name, value in settings.items()}


def _start_peer(
    subject: Subject, connections: int, rate: float, cafile: str = "", first: int = 0
) -> contextlib.AbstractContextManager[Child]:
    """Start the well-behaved peer."""
    arguments = {
        "port": subject.port,
        "connections": connections,
        "first": first,
        "limit": LIMIT,
        "size": 300,
        "work": 0,
        "cafile": cafile,
    }
    return start_peer("webhook_peer", kind="steady", how={"rate": rate}, arguments=arguments)


def _end_of(peer: Child) -> dict[str, Any]:
    """Let the well-behaved peer end, and return what it tells."""
    peer.proceed()
    posted: dict[str, Any] = peer.hear("result", PATIENCE)
    return posted


def _attack(subject: Subject, kind: str, how: dict[str, Any]) -> dict[str, Any]:
    """Run the strangers' process to its end, and return what it tells."""
    with start_peer("stranger_peer", port=subject.port, kind=kind, how=how) as strangers:
        taken: dict[str, Any] = strangers.hear("result", PATIENCE)
        return taken


def _peer_figures(
    options: Options, posted: dict[str, Any], taken: dict[str, Any], refusals: bool = False
) -> Iterator[Figure]:
    """Yield how the well-behaved peer fared; its latencies count while the strangers attacked.

    Raises:
        BenchmarkError: It was not answered at all at that time.
    """
    latencies = [
        latency for sent, latency in posted["latencies"] if taken["began"] <= sent <= taken["ended"]
    ]
    if not latencies:
        raise BenchmarkError("the well-behaved peer was not answered while strangers attacked")
    yield from _lost_figures("peer's webhooks", posted, refusals)
    yield Figure("latency of the peer, webhooks", len(latencies), "")
    yield Figure("latency of the peer, p50", percentile(latencies, 50), "ms")
    yield Figure("latency of the peer, p99", percentile(latencies, 99), "ms", options.bound)
    yield Figure("latency of the peer, the highest", max(latencies), "ms")


def _lost_figures(whose: str, posted: dict[str, Any], refusals: bool = False) -> Iterator[Figure]:
    refused = Figure(f"{whose} that were refused", posted["refused"], "", None if refusals else 0)
    yield exactly(f"{whose} without an answer", posted["unanswered"], 0, "")
    yield exactly(f"{whose} answered otherwise", posted["wrong"], 0, "")
    yield exactly(f"{whose} left out, all connections busy", posted["left out"], 0, "")
    yield refused


def programs(options: Options) -> Mapping[str, Program]:
    """Return a program for each way to do harm."""
    starving = {
        f"descriptors run out, {loop}": partial(measure_starving, options, loop)
        for loop in ("asyncio", "auto")
    }
    ways = {name: partial(measure, options, attack) for name, attack in attacks(options).items()}
    return {**ways, **starving}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this program's options to a command line."""
    default = Options()
    add = parser.add_argument
    add("--bodies", type=int, default=default.bodies, help="that never end")
    add("--pace", type=float, default=default.pace, help="MiB of them per second")
    add("--seconds", type=float, default=default.seconds, help="for which they pipeline")
    add("--messages", type=int, default=default.messages, help="of slow handlers")
    add("--rate", type=float, default=default.rate, help="webhooks per second of the peer")
    add("--bound", type=float, default=default.bound, help="milliseconds at most, p99")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = make_parser("limits.strangers", __doc__)
    add_options(parser)
    return run_chosen(parser, lambda **given: programs(Options(**given)))


if __name__ == "__main__":
    sys.exit(main())
