"""``Run``: one process, from its start to its end, with the thread that reads its log."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..inside.hosting import SAVE, measures_coverage
from . import leftovers
from .output import Output

IS_POSIX = os.name == "posix"

_LAST_LINES = 10.0
"""Seconds for the log to end with the process; only where another process keeps it open."""

_AFTER_KILLING = 1.0
"""Seconds for the log to end when the children were killed; only where it is held elsewhere."""

_SAVING = 20.0
"""Seconds in which a process that is to be killed may save its coverage; it takes far less."""


class Run:
    """A process in a group of its own.

    Attributes:
        pid: Its number.
        code: What it has ended with; None while it runs. A negative number is the signal.
        ended: Set when it has ended, and the lines of its log are there.
        log_is_held: Whether some other process still had its log open at its end.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        on_entry: Callable[[dict[str, Any]], None],
        on_end: Callable[[int], None],
    ) -> None:
        """Start it, and the threads that read its log and wait for its end."""
        self.code: int | None = None
        self.ended = threading.Event()
        self.log_is_held = False
        self._was_killed = False
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=IS_POSIX,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.pid = self._process.pid
        self._output = Output(reading, on_line, on_entry)
        self._on_end = on_end
        self._waiter = threading.Thread(target=self._wait, name="end of a bot", daemon=True)
        self._waiter.start()

    def _wait(self) -> None:
        code = self._process.wait()
        self.log_is_held = not self._output.join(_LAST_LINES)
        self.code = -signal.SIGKILL if self._was_killed and IS_POSIX else code
        self.ended.set()
        self._on_end(self.code)

    @property
    def is_running(self) -> bool:
        """Whether the process runs, or its last lines are being read."""
        return not self.ended.is_set()

    def send(self, number: int) -> None:
        """Send a signal to the process alone; nothing if it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def send_to_group(self, number: int) -> None:
        """Send a signal to the process and its children, as a terminal does."""
        if IS_POSIX:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        else:
            self.send(number)

    def kill(self) -> None:
        """End the process and its children at once, and wait until they have ended."""
        if self.is_running:
            if measures_coverage() and SAVE is not None:
                self._was_killed = True
                self.send_to_group(SAVE)
                self.ended.wait(_SAVING)
            self._process.kill()
        self.sweep()
        self._waiter.join()

    def sweep(self) -> None:
        """Kill what is left of the group, and wait for the end of the log."""
        if IS_POSIX:
            leftovers.kill_group(self.pid)
        self._output.join(_AFTER_KILLING)
