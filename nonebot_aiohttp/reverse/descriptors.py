"""File descriptors of the own process: each connection takes one, and strangers connect."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..log import OnceInAWhile, logger

# Windows has no such limit.
resource: Any = import_module("resource") if os.name == "posix" else None

HIGHEST = 65_536
"""Descriptors to which the limit is raised: some programs have a table of as many as may be."""

PAUSE = 1.0
"""Seconds between looks at whether there are any left."""


@contextmanager
def raised_limit() -> Iterator[None]:
    """Raise the soft limit to the hard one, and put it back: children inherit it.

    Yields:
        While it is raised, where the system lets it.
    """
    soft, hard = _limits()
    wanted = min(hard, HIGHEST)
    raised = soft < wanted and _set(wanted, hard)
    try:
        yield
    finally:
        now, now_hard = _limits()
        # Whoever has set another one meanwhile has meant it.
        if raised and now == wanted:
            _set(min(soft, now_hard), now_hard)


def _limits() -> tuple[int, int]:
    if resource is None:
        return HIGHEST, HIGHEST
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (sys.maxsize if each == resource.RLIM_INFINITY else each for each in limits)
    return soft, hard


def _set(soft: int, hard: int) -> bool:
    try:
        limits = soft, resource.RLIM_INFINITY if hard == sys.maxsize else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    except (OSError, ValueError):
        # macOS has a limit below the hard one, and a container may forbid it.
        return False
    return True


def are_left() -> bool:
    """Tell whether this process can still open anything."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True


async def watch_descriptors() -> None:
    """Say once in a while that none is left: uvloop refuses connections then without a word."""
    lines = OnceInAWhile()
    while True:
        await asyncio.sleep(PAUSE)
        if not are_left() and lines.is_due(""):
            logger.error(
                "No file descriptor is left: nobody can connect until others have gone. Raise the"
                " limit: ulimit -n, or LimitNOFILE= of systemd"
            )
