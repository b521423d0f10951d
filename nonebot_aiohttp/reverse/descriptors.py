"""File descriptors of the own process: each connection takes one, and strangers connect."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..log import OnceInAWhile, logger

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None  # type: ignore[assignment]

HIGHEST = 65_536
"""Descriptors to which the limit is raised: some programs have a table of as many as may be."""

PAUSE = 1.0
"""Seconds between looks at whether there are any left."""


@contextmanager
def raised_limit() -> Iterator[None]:
    """Raise the soft limit to the hard one, and put it back: children inherit it.

    Yields:
        While it is raised.
    """
    if resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else min(hard, HIGHEST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        yield
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
