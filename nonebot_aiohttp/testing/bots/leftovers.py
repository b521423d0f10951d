"""What the process of a bot leaves behind, as far as it is seen from outside: log and children."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SIGNS = re.compile(
    r"Unclosed (?:client session|connector|connection|response)"
    r"|Task was destroyed but it is pending"
    r"|exception was never retrieved"
    r"|exception in shielded future"
    r"|coroutine .+ was never awaited"
    r"|ResourceWarning: unclosed (?:<socket\.socket|<ssl\.SSLSocket|transport|event loop)"
    r"|ResourceWarning: (?:unclosed resource|subprocess \d+ is still running)"
    r"|ResourceWarning: Unclosed "
)
"""What Python, asyncio and aiohttp write when something was not closed or not awaited."""

TRACEBACK = "Traceback (most recent call last)"

CHILDREN = 2.0
"""Seconds for child processes to notice that the bot has ended; only where some have not."""

_PAUSE = 0.01


def signs_in(log: Sequence[str]) -> list[str]:
    """List the lines of a log which say that something was left behind.

    Each with the next line, which has the coroutine, or the session.
    """
    found = []
    lines = iter((*log, ""))
    for line in lines:
        if SIGNS.search(line):
            found.append(f"the log says: {line.strip()}\n  {next(lines, '').strip()}".rstrip())
    return found


def children_of(group: int) -> list[str]:
    """Describe the processes of a group, after they have had a moment to end."""
    end = time.monotonic() + CHILDREN
    while (found := _processes(group)) and time.monotonic() < end:
        time.sleep(_PAUSE)
    return [f"a child process that still runs: {number} {text}" for number, text in found]


def kill_group(group: int) -> None:
    """Kill the processes of a group, if there are any."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _processes(group: int) -> list[tuple[int, str]]:
    """List the processes of a group that run, with their commands; not those that have ended."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return []
    return _from_proc(group) if os.path.isdir("/proc/self") else _from_ps(group)


def _from_proc(group: int) -> list[tuple[int, str]]:
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit():
                # Behind the command in parentheses, which may have any characters.
                rest = Path("/proc", name, "stat").read_text("utf-8", "replace").rpartition(")")[2]
                state, _, its_group = rest.split()[:3]
                if int(its_group) == group and state not in "ZX":
                    line = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append((int(name), line.decode("utf-8", "replace").strip()))
    return found


def _from_ps(group: int) -> list[tuple[int, str]]:
    command = ["ps", "-A", "-o", "pid=,pgid=,stat=,command="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = []
    for line in listed.splitlines():
        number, its_group, state, text = line.split(None, 3)
        if int(its_group) == group and not state.startswith("Z"):
            found.append((int(number), text))
    return found
