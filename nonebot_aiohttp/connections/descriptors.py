"""File descriptors: each connection takes one, whoever has opened it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..life.watching import PeriodicWatch
from ..log import OnceInAWhile, logger

# Windows has no such limit.
resource: Any = import_module("resource") if os.name == "posix" else None

HIGHEST = 65_536
"""Descriptors to which the limit is raised: some programs have a table of as many as may be."""

INTERVAL = 1.0
"""Seconds between looks at whether any is left."""

LOOKS = 5
"""Looks between two counts."""

WARNING_THRESHOLD = 0.75
"""The part of them from which on a warning is due."""

ADVICE = "Raise the limit: ulimit -n, or LimitNOFILE= of systemd"


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


def part_in_use() -> float:
    """Tell what part of the descriptors is in use.

    Returns:
        A number from 0 to 1; 0 where the system does not tell.
    """
    try:
        return len(os.listdir("/dev/fd")) / _limits()[0]
    except OSError:
        return 0.0


class DescriptorWatch(PeriodicWatch):
    """Says that few descriptors are left, or none: some hosts refuse without a word."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        super().__init__(INTERVAL, "file descriptors")
        self._lines = OnceInAWhile()
        self._warned = False
        self._looks = 0

    async def look(self) -> None:
        """Look whether any is left; now and then count them, which takes a while for many."""
        if not are_left() and self._lines.is_due(""):
            logger.error(
                "No file descriptor is left: nobody can connect until others have gone. {}", ADVICE
            )
        self._looks += 1
        if self._looks % LOOKS == 0:
            self._count()

    def _count(self) -> None:
        if not self._warned and part_in_use() >= WARNING_THRESHOLD:
            self._warned = True
            logger.warning(
                "Three quarters of the {} file descriptors are in use, one for each connection. {}",
                _limits()[0],
                ADVICE,
            )
