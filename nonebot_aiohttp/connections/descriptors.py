"""Every connection takes a file descriptor: raises their limit, and warns when few are left."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..life.watching import PeriodicWatch
from ..log import OnceInAWhile
from ..log.own import logger

# Windows does not have this limit.
resource: Any = import_module("resource") if os.name == "posix" else None

MAX_LIMIT = 65_536
"""The limit is raised to this at most, because some programs allocate a table of that size."""

LOOK_INTERVAL = 1.0
"""Seconds between two looks at whether any descriptor is left."""

LOOKS_PER_COUNT = 5
"""Looks between two counts of the descriptors in use."""

WARNING_THRESHOLD = 0.75
"""The fraction in use that leads to a warning."""

ADVICE = "Raise the limit: ulimit -n, or LimitNOFILE= of systemd"


@contextmanager
def raised_limit() -> Iterator[None]:
    """Raise the soft limit to the hard one, and restore it, because child processes inherit it."""
    soft, hard = _limits()
    wanted = min(hard, MAX_LIMIT)
    raised = soft < wanted and _set(wanted, hard)
    try:
        yield
    finally:
        now, now_hard = _limits()
        # A limit that other code has set in the meantime stays.
        if raised and now == wanted:
            _set(min(soft, now_hard), now_hard)


def _limits() -> tuple[int, int]:
    if resource is None:
        return MAX_LIMIT, MAX_LIMIT
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (sys.maxsize if each == resource.RLIM_INFINITY else each for each in limits)
    return soft, hard


def _set(soft: int, hard: int) -> bool:
    try:
        limits = soft, resource.RLIM_INFINITY if hard == sys.maxsize else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    except (OSError, ValueError):
        # macOS has another limit below the hard one, and a container may forbid this.
        return False
    return True


def are_left() -> bool:
    """Return whether this process can still open a descriptor."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True


def count_in_use() -> int | None:
    """Count the descriptors in use; None if that is unknown."""
    for count in (_size, _list):
        try:
            if number := count():
                return number
        except OSError:
            continue
    return None


def _size() -> int:
    # Since Linux 6.2; before it is 0. To list ten thousand descriptors takes 8 ms or more.
    return os.stat("/proc/self/fd").st_size


def _list() -> int:
    return len(os.listdir("/dev/fd"))


def limit() -> int | None:
    """Return how many descriptors this process may have; None where they have no limit."""
    soft = _limits()[0]
    return None if resource is None or soft == sys.maxsize else soft


class DescriptorWatch(PeriodicWatch):
    """Logs that few or no descriptors are left, because some hosts refuse peers without a word.

    Attributes:
        in_use: How many were in use when they were last counted; None where that is unknown.
    """

    def __init__(self) -> None:
        super().__init__(LOOK_INTERVAL, "file descriptors")
        self._lines = OnceInAWhile()
        self._warned = False
        self._looks = 0
        self.in_use: int | None = None

    async def look(self) -> None:
        """Check whether any is left; count them less often, because that takes longer."""
        if not are_left() and self._lines.is_due(""):
            logger.error(
                "No file descriptor is left: no peer can connect until others have gone. {}", ADVICE
            )
        if self._looks % LOOKS_PER_COUNT == 0:
            self._count()
        self._looks += 1

    def _count(self) -> None:
        self.in_use = count_in_use()
        in_use, most = self.in_use, limit()
        if self._warned or in_use is None or most is None:
            return
        if in_use >= WARNING_THRESHOLD * most:
            self._warned = True
            logger.warning(
                "Three quarters of the {} file descriptors are in use, one for each connection. {}",
                most,
                ADVICE,
            )
