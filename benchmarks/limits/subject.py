"""The runner's end of the subject: starts it, asks it, and watches its memory."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from tests.support.ports import free_port

from ..process import START_TIMEOUT, Child, start

MIB = 1024 * 1024
WATCH_INTERVAL = 0.02
SETTLE_TIMEOUT = 20.0
STOP_TIMEOUT = 30.0


class Subject:
    """The running subject."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port
        self._process = psutil.Process(child.process.pid)

    @property
    def websocket_url(self) -> str:
        """Where it takes WebSockets."""
        return f"ws://127.0.0.1:{self.port}/limit/ws"

    def ask(self) -> dict[str, Any]:
        """Return what it has to tell; see ``bot.serve``."""
        self.child.proceed()
        stats: dict[str, Any] = self.child.hear("stats", START_TIMEOUT)
        return stats

    def ask_until(self, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask until the answer is as expected, but not for ever.

        Returns:
            The last answer, with the worst lag of all of them.
        """
        deadline = time.monotonic() + SETTLE_TIMEOUT
        stats = self.ask()
        while not ready(stats) and time.monotonic() < deadline:
            time.sleep(0.05)
            lag = stats["lag"]
            stats = self.ask()
            stats["lag"] = {key: max(lag[key], value) for key, value in stats["lag"].items()}
        return stats

    def memory(self) -> float:
        """Return the MiB of its resident memory."""
        return float(self._process.memory_info().rss) / MIB

    def cpu(self) -> float:
        """Return the seconds of processor time that it has used."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def log_lines(self) -> int:
        """Return how many lines it has logged."""
        errors = self.child._errors.fileno()
        # Not read(), which moves the place where the subject writes.
        return os.pread(errors, os.fstat(errors).st_size, 0).count(b"\n")

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Take samples of the memory as long as the block lasts.

        Yields:
            The samples, in MiB.
        """
        samples, done = [self.memory()], threading.Event()

        def watch() -> None:
            while not done.wait(WATCH_INTERVAL):
                samples.append(self.memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield samples
        finally:
            done.set()
            watcher.join()

    def stop(self) -> tuple[int, float]:
        """Stop it, and return its exit status and the seconds that it took."""
        assert self.child.process.stdin is not None
        started = time.monotonic()
        self.child.process.stdin.close()
        return self.child.process.wait(STOP_TIMEOUT), time.monotonic() - started


@contextlib.contextmanager
def serving(settings: dict[str, Any], webhooks: int = 0, files: int = 0) -> Iterator[Subject]:
    """Run the subject as long as the block lasts.

    Args:
        settings: The ``aiohttp_*`` settings that are not the defaults.
        webhooks: How many webhooks it will get at most.
        files: How many files it may have open; 0 leaves it to the system.

    Raises:
        BenchmarkError: It logged a traceback.
    """
    port = free_port()
    arguments = [port, json.dumps(settings), webhooks, files]
    with start(sys.executable, "limits.bot", arguments, "subject", {}) as child:
        child.wait_listening(port)
        yield Subject(child, port)


def start_peer(module: str, **arguments: Any) -> contextlib.AbstractContextManager[Child]:
    """Start a process that puts load on the subject.

    Args:
        module: Its module inside ``benchmarks.limits``.
        **arguments: What it is given as a JSON object.
    """
    return start(sys.executable, f"limits.{module}", [json.dumps(arguments)], "load", {})
