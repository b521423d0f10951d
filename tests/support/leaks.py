"""What a test may leave behind in the process: compared before and after each test."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import stat
from collections.abc import Mapping

import aiohttp
import psutil
from loguru import logger

from tests.support.waiting import eventually

TIMEOUT_SIGNAL = getattr(signal, "SIGALRM", None)
"""Used by pytest-timeout, which sets its handler within the test."""


def process_state() -> dict[str, object]:
    """Describe what of the process outlives a loop: signal handlers and sinks of logs."""
    root = logging.getLogger()
    state: dict[str, object] = {
        f"the handler of {number!r}": signal.getsignal(number)
        for number in signal.valid_signals()
        if number != TIMEOUT_SIGNAL
    }
    state["the sinks of loguru"] = repr(logger)
    state["the handlers of the root logger"] = list(root.handlers)
    state["the level of the root logger"] = root.level
    return state


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Describe what is not any more as it was."""
    return [
        f"{name} changed from {was!r} to {after[name]!r}"
        for name, was in before.items()
        if after[name] != was
    ]


def open_sockets() -> set[str]:
    """Describe the process's open sockets that have an address, whatever loop made them."""
    if os.name == "nt":
        # Windows has no descriptors of sockets, but a fast list of connections.
        connections = psutil.Process().net_connections()
        return {f"open socket at {connection.laddr}" for connection in connections}
    described = (_describe_socket(int(name)) for name in os.listdir("/dev/fd"))
    return {description for description in described if description}


def _describe_socket(descriptor: int) -> str | None:
    # The descriptor that listed the directory is closed by now.
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            # A loop's own socket pair has no name.
            name = duplicate.getsockname()
        return f"open socket {descriptor} at {name}" if name else None
    return None


def open_clients() -> set[str]:
    """Describe the aiohttp sessions and connectors that are not closed."""
    kinds = (aiohttp.ClientSession, aiohttp.BaseConnector)
    return {
        f"unclosed {candidate!r}"
        for candidate in gc.get_objects()
        # A proxy object may run code of its own if asked for its class.
        if issubclass(type(candidate), kinds) and not candidate.closed
    }


class LoopWatch:
    """Tells what has appeared on the running loop since it was made."""

    def __init__(self) -> None:
        self._tasks = asyncio.all_tasks()
        self._before = open_clients() | open_sockets()

    async def leftovers(self, timeout: float = 2.0) -> list[str]:
        """Describe what is still there; only a leak takes the seconds of the timeout."""
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not self._found(), timeout)
        return self._found()

    def _found(self) -> list[str]:
        tasks = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        things = open_clients() | open_sockets()
        return [*(f"running {task!r}" for task in tasks), *sorted(things - self._before)]
