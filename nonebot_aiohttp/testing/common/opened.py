"""What a process has open, and where it was made; for the tests' own process and for a bot's."""

from __future__ import annotations

import os
import socket
import stat
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

_DESCRIPTORS = "/dev/fd"


def lists_descriptors() -> bool:
    """Tell whether the system lists the descriptors of a process; Windows does not."""
    return os.path.isdir(_DESCRIPTORS)


def socket_descriptors() -> Iterator[tuple[int, int]]:
    """Yield the descriptor and the inode of each socket; nothing where they are not listed."""
    for name in os.listdir(_DESCRIPTORS) if lists_descriptors() else ():
        # The descriptor that has listed the folder is closed by now.
        with suppress(OSError):
            number = int(name)
            status = os.fstat(number)
            if stat.S_ISSOCK(status.st_mode):
                yield number, status.st_ino


@contextmanager
def copied(number: int) -> Iterator[socket.socket]:
    """Give a copy of a socket, which the block may ask, but which is not the process's own."""
    with socket.socket(fileno=os.dup(number)) as copy:
        yield copy


def shown_address(address: Any) -> str:
    """Return an address as text: host and port, or the path of a Unix socket."""
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else repr(address)


def place_of(frame: FrameType) -> str:
    """Return the file and the line at which a frame stands."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def made_at(found: object) -> str:
    """Tell where an object was made, as far as PYTHONTRACEMALLOC has Python remember it.

    Python 3.11 does not find objects that have a ``__dict__``.
    """
    trace = tracemalloc.get_object_traceback(found)
    return "" if trace is None else ", made at\n" + "\n".join(trace.format())
