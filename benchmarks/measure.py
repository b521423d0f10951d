"""One function for each kind of path: it measures one subject once and checks the result."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .event import EVENT
from .process import START_TIMEOUT, BenchmarkError, Child, free_port, pin, start
from .settings import Settings

WRK_SCRIPT = Path(__file__).with_name("load") / "wrk.lua"
BEFORE_IDLE = 200
"""Connections that are open before the memory is first read. The first connections also pay for
imports, pools and the growth of tables, which is not the cost of a connection."""
PAUSE = 0.02
"""Seconds between two readings of a count."""

PATIENCE = 30.0
"""Seconds that a measurement may last beyond its own duration."""
CONNECTING_PATIENCE = 120.0
"""The same seconds if thousands of connections have to be opened first."""

CROWD_RATE = 5_000
"""Messages per second of all connections of the crowd together."""
FEW, FEW_RATE, BURSTING = 50, 500, 1
"""Connections that are measured, their messages per second, and the number of the connections that
send without a pause beside them."""


@dataclass(frozen=True)
class Subject:
    """One thing that is measured.

    Attributes:
        module: Its module inside ``benchmarks.subjects``.
        args: The start of its command line; the measurement adds the rest.
        requires: Modules without which it cannot run.
        endpoint: The path of the URL at which it receives events.
    """

    name: str
    module: str
    args: tuple[str, ...]
    requires: tuple[str, ...]
    endpoint: str = ""


Measurement = Callable[[Subject, Settings], float]


def webhook(subject: Subject, settings: Settings) -> float:
    """Return the webhooks that a server handles per second."""
    with _serving(subject) as (child, port):
        post_one(child, port)
        post_many(port, settings, settings.warmup)
        before = steady_count(child)
        result = post_many(port, settings, settings.seconds)
        check(result, "requests")
        # The load does not count the requests in flight at the end of the measurement.
        _wait_handled(child, before + result["requests"], 2 * settings.connections)
        return float(result["requests"] / result["seconds"])


def reverse(subject: Subject, settings: Settings) -> float:
    """Return the messages per second that a server handles from one WebSocket."""
    with _serving(subject) as (child, port):
        url = f"ws://127.0.0.1:{port}{subject.endpoint}"
        times = (settings.messages, settings.warmup, settings.seconds)
        with _start_load("ws_client", url, *times) as load:
            return _rate(child, load, settings)


def forward(subject: Subject, settings: Settings) -> float:
    """Return the messages per second that a client handles from one WebSocket."""
    times = (settings.messages, settings.warmup, settings.seconds)
    with _start_load("ws_server", *times) as load:
        url = f"ws://127.0.0.1:{load.hear('port', START_TIMEOUT)}/"
        with _start_subject(subject, free_port(), url) as child:
            return _rate(child, load, settings)


def call(subject: Subject, settings: Settings, *, tls: bool, at_once: int) -> float:
    """Return the API calls per second of a client that has ``at_once`` calls in flight."""
    certificate = [settings.certificate] if tls else []
    environment = {"SSL_CERT_FILE": str(settings.authority)} if tls else {}
    with _start_load("http_server", *certificate) as load:
        port = load.hear("port", START_TIMEOUT)
        url = f"{'https' if tls else 'http'}://localhost:{port}/send_msg"
        times = (at_once, settings.warmup, settings.seconds)
        with _start_subject(subject, free_port(), url, *times, environment=environment) as child:
            result = child.hear("result", settings.seconds + PATIENCE)
            check(result, "requests")
            if load.count() < result["requests"]:
                raise child.failure("counted more answers than there were requests")
            return float(result["requests"] / result["seconds"])


def memory(subject: Subject, settings: Settings) -> float:
    """Return the KiB of resident memory that one idle WebSocket costs a server."""
    with _serving(subject) as (child, port):
        url = f"ws://127.0.0.1:{port}{subject.endpoint}"
        with _start_load("ws_crowd", "hold", url, BEFORE_IDLE, settings.idle) as load:
            load.hear("opened", CONNECTING_PATIENCE)
            process = psutil.Process(child.process.pid)
            before = process.memory_info().rss
            load.proceed()
            opened = load.hear("opened", CONNECTING_PATIENCE) - BEFORE_IDLE
            if child.count() != opened + BEFORE_IDLE:
                raise child.failure(f"did not handle one message from each of {opened}")
            return float((process.memory_info().rss - before) / opened / 1024)


def crowd(subject: Subject, settings: Settings) -> float:
    """Return the milliseconds within which a server answers 99 of 100 messages of a crowd."""
    return _latency(subject, settings, settings.crowd, CROWD_RATE, 0)


def beside(subject: Subject, settings: Settings) -> float:
    """Return the same for a few connections, beside one that sends without a pause."""
    return _latency(subject, settings, FEW, FEW_RATE, BURSTING)


def _latency(
    subject: Subject, settings: Settings, connections: int, rate: float, bursting: int
) -> float:
    with _serving(subject) as (child, port):
        url = f"ws://127.0.0.1:{port}{subject.endpoint}"
        how = (connections, rate, settings.warmup, settings.seconds, bursting)
        with _start_load("ws_crowd", "talk", url, *how) as load:
            result = load.hear("result", settings.seconds + CONNECTING_PATIENCE)
            check(result, "messages")
            _wait_handled(child, result["messages"], 0)
            return 1000 * float(result["p99"])


def construction(subject: Subject, settings: Settings) -> float:
    """Return the milliseconds of import and construction in the fastest process.

    Slower processes show the other load of the machine (https://docs.python.org/3/library/timeit).
    """
    return min(_construct(subject) for _ in range(settings.imports))


def _construct(subject: Subject) -> float:
    # Bytecode is written even if the environment says otherwise, because an installed package has
    # it. Only the first process has to compile, and the fastest process counts.
    environment = {"PYTHONDONTWRITEBYTECODE": ""}
    with _start_subject(subject, environment=environment) as child:
        return 1000 * float(child.hear("result", START_TIMEOUT)["seconds"])


def _start_load(module: str, *args: object) -> contextlib.AbstractContextManager[Child]:
    return start(f"load.{module}", args, "load", {})


def _start_subject(
    subject: Subject, *args: object, environment: dict[str, str] | None = None
) -> contextlib.AbstractContextManager[Child]:
    module = f"subjects.{subject.module}"
    return start(module, [*subject.args, *args], "subject", environment or {})


@contextlib.contextmanager
def _serving(subject: Subject) -> Iterator[tuple[Child, int]]:
    port = free_port()
    with _start_subject(subject, port) as child:
        child.wait_listening(port)
        yield child, port


def _rate(child: Child, load: Child, settings: Settings) -> float:
    try:
        result = load.hear("result", settings.seconds + PATIENCE)
    except BenchmarkError as error:
        raise child.failure(f"made its load fail: {error}") from error
    check(result, "messages")
    return float(result["messages"] / result["seconds"])


def check(result: dict[str, Any], unit: str) -> None:
    """Raise ``BenchmarkError`` if the load has counted errors, or nothing."""
    if result.get("errors") or not result[unit]:
        raise BenchmarkError(f"the load counted errors, or nothing at all: {result}")


def post_one(child: Child, port: int) -> None:
    """Post one event; it must be answered with 200 and handled once."""
    headers = {"Content-Type": "application/json", "X-Self-ID": "1"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/bench/", EVENT, headers)
    with urllib.request.urlopen(request, timeout=START_TIMEOUT) as response:
        if response.status != 200:
            raise child.failure(f"answered {response.status} to a webhook")
    _wait_handled(child, 1, 0)


def post_many(port: int, settings: Settings, seconds: float) -> dict[str, Any]:
    """Post events on all connections; return what the load has counted."""
    if settings.wrk is None:
        with _start_load("http_client", port, settings.connections, seconds) as load:
            result: dict[str, Any] = load.hear("result", seconds + PATIENCE)
            return result
    url = f"http://127.0.0.1:{port}/bench/"
    # wrk accepts whole seconds only.
    command = [settings.wrk, "-t1", f"-c{settings.connections}", f"-d{math.ceil(seconds)}s"]
    command += ["-s", str(WRK_SCRIPT), url, "--", EVENT.decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
        pin(wrk.pid, "load")
        output, _ = wrk.communicate(timeout=seconds + PATIENCE)
    if wrk.returncode != 0:
        raise BenchmarkError(f"wrk failed: {output}")
    parsed: dict[str, Any] = json.loads(output.splitlines()[-1])
    return parsed


def steady_count(child: Child) -> int:
    """Return the count when the subject has handled all that the warm-up has sent."""
    deadline = time.monotonic() + START_TIMEOUT
    count = child.count()
    while time.monotonic() < deadline:
        time.sleep(PAUSE)
        before, count = count, child.count()
        if count == before:
            return count
    raise child.failure("handles events that nobody sends")


def _wait_handled(child: Child, least: int, slack: int) -> None:
    """Wait until a subject has handled ``least`` events, and at most ``slack`` more."""
    deadline = time.monotonic() + START_TIMEOUT
    while (handled := child.count()) < least:
        if time.monotonic() > deadline:
            raise child.failure(f"answered {least} events and handled {handled}")
        time.sleep(PAUSE)
    if handled > least + slack:
        raise child.failure(f"answered {least} events and handled {handled}")
