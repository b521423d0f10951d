"""Ports for servers in processes of their own, which cannot tell which one the system chose."""

from __future__ import annotations

import atexit
import os
import random
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import cycle, islice

BLOCK = 300
"""Ports that a process is given, to be asked for in turn: more than its tests use at a time."""

BLOCKS = range(20_000, 32_000, BLOCK)
"""The first ports of all blocks.

They are out of the range that systems give to clients, and to servers that ask for any port:
somebody else's socket would be there before the process that the port is for, or while it starts
again."""


def claim_block(first_ports: Iterable[int]) -> tuple[socket.socket, range]:
    """Claim one of the blocks for this process; the claim ends when its socket is closed.

    Many processes of tests run at the same time and choose a port long before a server listens on
    it. The claim is the UDP port of the same number as the block's first, which no server uses.
    """
    for first in first_ports:
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
        else:
            return claim, range(first, first + BLOCK)
    raise LookupError("all blocks of ports are taken by other processes of tests")


# When imported, and not when first asked: what a test opens it has to close.
_claim, _block = claim_block(random.sample(BLOCKS, len(BLOCKS)))
atexit.register(_claim.close)
_ports = cycle(_block)


def free_port() -> int:
    """Find a free port that no other process of tests is given."""
    for port in islice(_ports, BLOCK):
        with socket.socket() as probe, suppress(OSError):
            if os.name == "posix":
                # Connections of a server that has ended are not in the way of the next one.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise LookupError("all ports of this process of tests are taken")
