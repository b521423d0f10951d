"""Ports for servers in other processes, which cannot report a port that the system has chosen."""

from __future__ import annotations

import atexit
import os
import random
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import cycle, islice

from ..common.owned import own

BLOCK = 300
"""Ports of one process, which it uses in turn: more than its tests need at a time."""

BLOCKS = range(20_000, 32_000, BLOCK)
"""The first ports of all blocks.

They are outside of the range from which systems choose ports for clients, and for servers that ask
for any port. Otherwise another socket could take the port before the server starts, or restarts."""


def claim_block(first_ports: Iterable[int]) -> tuple[socket.socket, range]:
    """Claim one of the blocks for this process; the claim ends when its socket is closed.

    Many processes of tests run at the same time (pytest-xdist), and choose a port long before a
    server listens on it. The claim is a UDP socket on the first port of the block; bots do not use
    UDP.

    Raises:
        LookupError: Other processes have claimed all of them.
    """
    for first in first_ports:
        claim = own(socket.socket(type=socket.SOCK_DGRAM))
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
        else:
            return claim, range(first, first + BLOCK)
    raise LookupError(
        f"all {len(BLOCKS)} blocks of ports are taken by other processes of tests: run fewer"
    )


class _Ports:
    """The block of this process; a child that was forked claims one of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._ports: Iterator[int] = iter(())

    def claim(self) -> None:
        with self._lock:
            if self._owner == os.getpid():
                return
            claim, block = claim_block(random.sample(BLOCKS, len(BLOCKS)))
            atexit.register(claim.close)
            self._owner, self._ports = os.getpid(), cycle(block)

    def next(self, count: int) -> list[int]:
        with self._lock:
            return list(islice(self._ports, count))


_ports = _Ports()


def claim() -> None:
    """Claim the ports of this process now.

    `free_port` does it otherwise. The claim is a socket that stays open until the process ends;
    tests that look for open sockets want it before they begin to look.

    Raises:
        LookupError: Other processes of tests have claimed all ports.
    """
    _ports.claim()


def free_port() -> int:
    """Find a port of loopback that is free, and that no other process of tests is given.

    Raises:
        LookupError: All ports of this process are taken.
    """
    _ports.claim()
    for _ in range(BLOCK):
        (port,) = _ports.next(1)
        with socket.socket() as probe, suppress(OSError):
            if os.name == "posix":
                # Connections of a server that has ended do not block the port for the next one.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise LookupError(f"all {BLOCK} ports of this process of tests are taken")
