"""Child processes, which are started on a core of their own and killed at the end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 30.0
"""Seconds within which a child has to listen, or to send its first message."""


class BenchmarkError(Exception):
    """A child failed, or a count is wrong, so that the figures of the run are not valid."""


def available_cores() -> list[int]:
    """Return the cores that a process can be pinned to; empty if the system cannot pin."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def pin(pid: int, role: str) -> None:
    """Bind a subject to the first core, and its load to the second, if there are two."""
    cores = available_cores()
    if len(cores) >= 2:
        os.sched_setaffinity(pid, {cores[0] if role == "subject" else cores[1]})


def raise_file_limit() -> None:
    """Raise the limit of open files for this process and its children as far as possible."""
    with contextlib.suppress(ImportError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Child:
    """One running child process."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str], name: str) -> None:
        """Read from a process whose standard error goes to a file; ``start`` makes one."""
        self.process = process
        self.name = name
        self._errors = errors
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def hear(self, key: str, timeout: float) -> Any:
        """Return the value of a key in the next message that has it.

        Raises:
            BenchmarkError: The child ended, or took more than ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self.failure(f"did not say {key!r} within {timeout:g} s") from None
            if "ended" in message:
                raise self.failure("ended too early")
            if key in message:
                return message[key]

    def count(self) -> int:
        """Ask the child how many events it has handled."""
        self.proceed()
        return int(self.hear("count", START_TIMEOUT))

    def proceed(self) -> None:
        """Write the line that the child waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def processor_time(self) -> float:
        """Return the seconds of processor time that the child has used."""
        if sys.platform == "linux":
            # The process's own clock (clock_getcpuclockid); psutil has hundredths of a second.
            return time.clock_gettime((~self.process.pid << 3) | 2)
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def wait_listening(self, port: int) -> None:
        """Wait until the child accepts connections."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if self.process.poll() is not None:
                raise self.failure("ended too early")
            time.sleep(0.02)
        raise self.failure(f"did not listen within {START_TIMEOUT:g} s")

    def check_log(self) -> None:
        """Raise ``BenchmarkError`` if the child has logged a traceback."""
        if "Traceback" in self._log():
            raise self.failure("logged an error")

    def failure(self, what: str) -> BenchmarkError:
        """Return an error that shows the end of the child's log."""
        tail = "\n".join(self._log().splitlines()[-30:])
        return BenchmarkError(f"{self.name} {what}\n{tail}")

    def _log(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._messages.put(json.loads(line))
        self._messages.put({"ended": True})


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def start(
    module: str, args: Sequence[object], role: str, env: Mapping[str, str]
) -> Iterator[Child]:
    """Run a module of this package as a pinned child, and kill it when the block ends.

    Args:
        module: The module's name inside ``benchmarks``.
        role: ``"subject"`` or ``"load"``, which decides on the core.
        env: Environment variables to add.

    Raises:
        BenchmarkError: The child has logged a traceback.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, args)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        pin(process.pid, role)
        child = Child(process, errors, " ".join([module, *map(str, args)]))
        try:
            yield child
            child.check_log()
        finally:
            process.kill()
