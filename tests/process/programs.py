"""Programs that tests start as processes: their output, their journal, and their end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from nonebot_aiohttp.hosts.signals import FORCING_PAUSE
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds until a wait for a process fails: far above what a loaded machine needs."""

SLOW_STEP = r"Executing\ .*\ took\ [\d.]+\ seconds"
"""What asyncio's debug mode says on a loaded machine."""

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
"""Lines of a log in which nothing is wrong."""

PORT = re.compile(r"(?:Listening on|Listening at:|[Rr]unning on) https?://\S+:(\d+)(?=\s)")
"""How the own process and the servers tell where they listen."""


class Program:
    """A Python program that runs with all warnings as errors and asyncio's debug mode.

    Attributes:
        process: The process.
        log: What it writes to stderr.
    """

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        settings: Mapping[str, Any],
        ignored: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            directory: Where its output goes.
            arguments: The module and its arguments.
            settings: The bot's configuration.
            ignored: Filters of warnings that are the host's own.
        """
        self._interrupted = 0.0
        self.journal_file = directory / "journal"
        self._stderr, self._stdout = directory / "stderr", directory / "stdout"
        environment = {
            **os.environ,
            "BOT_SETTINGS": json.dumps(dict(settings)),
            "BOT_JOURNAL": str(self.journal_file),
            "PYTHONUNBUFFERED": "1",
            # gunicorn keeps a control socket there.
            "HOME": str(directory),
        }
        filters = [part for each in ("error", *ignored) for part in ("-W", each)]
        self.journal_file.touch()
        with self._stderr.open("wb") as stderr, self._stdout.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", *filters, "-m", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        return self._stderr.read_text("utf-8", "replace")

    @property
    def journal(self) -> list[str]:
        """What the bot has noted so far."""
        return self.journal_file.read_text("utf-8").splitlines()

    def handled(self) -> Counter[str]:
        """Count the ids of the events that were handled to their end."""
        return Counter(line.split()[1] for line in self.journal if line.startswith("handled "))

    @property
    def port(self) -> int:
        """The port on which it listens; waits until it does."""
        return int(self.output_matching(PORT)[1])

    def output_matching(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait for some output.

        Raises:
            AssertionError: It did not come, or the process ended first.
        """
        found: re.Match[str] = self._wait(
            lambda: pattern.search(self.log + self._stdout.read_text()), pattern
        )
        return found

    def _wait(self, predicate: Callable[[], Any], what: object) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (value := predicate()):
            ended = self.process.poll()
            assert ended is None, f"ended with {ended} before {what}:\n{self.log}"
            assert time.monotonic() < deadline, f"no {what} within {PATIENCE} s:\n{self.log}"
            time.sleep(0.01)
        return value

    async def noted(self, text: str, count: int = 1) -> None:
        """Wait until the bot has noted something, so often, while the test's loop runs."""
        await eventually(lambda: self.journal.count(text) >= count, PATIENCE, text)

    async def logged(self, text: str) -> None:
        """Wait until it has written something to stderr, while the test's loop runs."""
        await eventually(lambda: text in self.log, PATIENCE, text)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self._interrupted = time.monotonic()
        self.process.send_signal(number)

    def press_ctrl_c(self) -> None:
        """Do what a terminal does: send SIGINT to the process and to all of its children."""
        process = psutil.Process(self.process.pid)
        self._interrupted = time.monotonic()
        for each in (process, *process.children(recursive=True)):
            each.send_signal(signal.SIGINT)

    async def interrupt_again(self) -> None:
        """Send SIGINT so long after the last signal that it is a wish of its own."""
        due = self._interrupted + FORCING_PAUSE + 0.2
        await eventually(lambda: time.monotonic() > due, PATIENCE, "the time to interrupt again")
        self.stop(signal.SIGINT)

    async def exit_code(self, *expected: str) -> int:
        """Wait for the end, and check that stderr holds no line that is not expected.

        Args:
            *expected: Regular expressions; every line that is neither quiet nor matched by one
                of them fails the test, and so does one that matches no line.

        Returns:
            The exit code; minus the number of the signal that killed it.
        """
        code = await self.ended()
        self.check_log(*expected)
        return code

    async def ended(self) -> int:
        """Wait for the end, whatever is on stderr; return the exit code."""
        await eventually(lambda: self.process.poll() is not None, PATIENCE, "the process's end")
        return int(self.process.returncode)

    def check_log(self, *expected: str) -> None:
        """Check that each line of stderr is quiet or expected, and each expected one there."""
        lines = [line for line in self.log.splitlines() if not QUIET_LINES.match(line)]
        wrong = [line for line in lines if not any(re.search(each, line) for each in expected)]
        assert not wrong, f"stderr holds {wrong}:\n{self.log}"
        for each in expected:
            assert any(re.search(each, line) for line in lines), f"no {each!r} in:\n{self.log}"

    def kill(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
