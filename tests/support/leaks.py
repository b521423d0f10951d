"""Finds what a test has left behind, by comparing the process before and after it."""

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
"""The signal of pytest-timeout, which sets its handler during the test."""


def process_state() -> dict[str, object]:
    """Describe the state of the process that outlives a loop: signal handlers and log sinks."""
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
    """Describe what has changed."""
    return [
        f"{name} changed from {was!r} to {after[name]!r}"
        for name, was in before.items()
        if after[name] != was
    ]


def open_sockets() -> set[str]:
    """Describe the open sockets of the process that have an address, of all loops."""
    if os.name == "nt":
        # Sockets are not file descriptors on Windows, but the list of connections is fast there.
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
        # Not isinstance, because a proxy object may run code when it is asked for its class.
        if issubclass(type(candidate), kinds) and not candidate.closed
    }


class LoopWatch:
    """Tells what has appeared on the running loop since it was made."""

    def __init__(self) -> None:
        self._tasks = asyncio.all_tasks()
        self._before = open_clients() | open_sockets()

    async def leftovers(self, timeout: float = 2.0) -> list[str]:
        """Describe what is left; the timeout (in seconds) passes only if there is a leak."""
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not self._found(), timeout)
        return self._found()

    def _found(self) -> list[str]:
        tasks = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        things = open_clients() | open_sockets()
        return [*(f"running {task!r}" for task in tasks), *sorted(things - self._before)]
