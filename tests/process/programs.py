"""Programs that tests start as processes: their output, journal, and exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from nonebot_aiohttp.hosts.signals import FORCING_PAUSE
from tests.process.hosts import Host
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds until a wait for a process fails: far above what a loaded machine needs."""

SLOW_STEP = r"Executing\ .*\ took\ [\d.]+\ seconds"
"""A warning of asyncio's debug mode that a loaded machine causes."""

QUIET_LINES = re.compile(
    rf"""
      \d{{4}}-\d\d-\d\d\ \d\d:\d\d:\d\d\ (DEBUG|INFO)\ +\S+:\     # our own log of run()
    | \d{{4}}-\d\d-\d\d\ [\d:.]+\ \|\ (DEBUG|INFO)\ +\|           # loguru's default
    | (DEBUG|INFO):\                                              # uvicorn
    | \[\d{{4}}-[^]]+\]\ \[\d+\]\ \[(DEBUG|INFO)\]                # gunicorn, hypercorn
    | (.*\ )?{SLOW_STEP}$
    """,
    re.VERBOSE,
)
"""Log lines that do not report a problem."""

PORT = re.compile(r"(?:Listening on|Listening at:|[Rr]unning on) https?://\S+:(\d+)(?=\s)")
"""The log lines in which the driver and the servers name their ports."""


class PythonProcess:
    """A Python program in asyncio's debug mode, with its output in a directory."""

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path = ROOT,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start it with ``folder`` as its working directory, and with some file descriptors."""
        self._stderr, self._stdout = directory / "stderr", directory / "stdout"
        with self._stderr.open("wb") as stderr, self._stdout.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", *arguments],
                cwd=folder,
                # gunicorn keeps a control socket in HOME.
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "HOME": str(directory),
                    **environment,
                },
                stdout=stdout,
                stderr=stderr,
                pass_fds=descriptors,
            )

    @property
    def log(self) -> str:
        """The text that it has written to stderr so far."""
        return self._stderr.read_text("utf-8", "replace")

    @property
    def port(self) -> int:
        """The port on which it listens, as soon as it does."""
        return int(self.output_matching(PORT)[1])

    def output_matching(self, pattern: re.Pattern[str] | str) -> re.Match[str]:
        """Wait for output that matches; fail if the process ends first."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.log + self._stdout.read_text("utf-8"))):
            ended = self.process.poll()
            assert ended is None, f"ended with {ended} before {pattern}:\n{self.log}"
            assert time.monotonic() < deadline, f"no {pattern} within {PATIENCE} s:\n{self.log}"
            time.sleep(0.01)
        return found

    async def logged(self, text: str) -> None:
        """Wait until stderr contains a text, while the test's loop runs."""
        await eventually(lambda: text in self.log, PATIENCE, text)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end without a check of stderr; return the exit code."""
        await eventually(lambda: self.process.poll() is not None, PATIENCE, "the process's end")
        return int(self.process.returncode)

    def kill(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Program(PythonProcess):
    """A bot program under a host, with all warnings as errors except the host's own."""

    def __init__(self, directory: Path, host: Host, port: int = 0, **settings: Any) -> None:
        self._interrupted = 0.0
        self.journal_file = directory / "journal"
        self.journal_file.touch()
        filters = [part for each in ("error", *host.ignored) for part in ("-W", each)]
        environment = {"BOT_SETTINGS": json.dumps(settings), "BOT_JOURNAL": str(self.journal_file)}
        arguments = [*filters, "-m", *host.command(port)]
        super().__init__(directory, arguments, environment, descriptors=host.descriptors)

    @property
    def journal(self) -> list[str]:
        """The lines that the bot has noted so far."""
        return self.journal_file.read_text("utf-8").splitlines()

    def handled(self) -> Counter[str]:
        """Count, by their ids, the events whose handling has ended."""
        return Counter(line.split()[1] for line in self.journal if line.startswith("handled "))

    async def noted(self, text: str, count: int = 1) -> None:
        """Wait until the bot has noted a text ``count`` times, while the test's loop runs."""
        await eventually(lambda: self.journal.count(text) >= count, PATIENCE, text)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._interrupted = time.monotonic()
        super().stop(number)

    def press_ctrl_c(self) -> None:
        """Send SIGINT to the process and to all of its children, as a terminal does."""
        process = psutil.Process(self.process.pid)
        for each in (process, *process.children(recursive=True)):
            each.send_signal(signal.SIGINT)

    async def interrupt_again(self) -> None:
        """Send SIGINT so long after the last signal that it counts as a new request."""
        due = self._interrupted + FORCING_PAUSE + 0.2
        await eventually(lambda: time.monotonic() > due, PATIENCE, "the time to interrupt again")
        self.stop(signal.SIGINT)

    async def exit_code(self, *expected: str) -> int:
        """Wait for the end; lines on stderr have to be quiet or to match an expression.

        An expression that no line matches fails the test, too. If a signal has ended the process,
        the exit code is minus the number of the signal.
        """
        code = await self.ended()
        lines = [line for line in self.log.splitlines() if not QUIET_LINES.match(line)]
        wrong = [line for line in lines if not any(re.search(each, line) for each in expected)]
        assert not wrong, f"stderr holds {wrong}:\n{self.log}"
        for each in expected:
            assert any(re.search(each, line) for line in lines), f"no {each!r} in:\n{self.log}"
        return code
