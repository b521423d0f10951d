"""Ports for servers in other processes, which cannot report a port that the system chose."""

from __future__ import annotations

import atexit
import os
import random
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import cycle, islice

BLOCK = 300
"""Ports of one process, which it uses in turn: more than its tests need at a time."""

BLOCKS = range(20_000, 32_000, BLOCK)
"""The first ports of all blocks.

They are outside of the range from which systems choose ports for clients, and for servers that ask
for any port. Otherwise another socket could take the port before the server starts, or restarts."""


def claim_block(first_ports: Iterable[int]) -> tuple[socket.socket, range]:
    """Claim one of the blocks for this process; the claim ends when its socket is closed.

    Many test processes run at the same time, and choose a port long before a server listens on
    it. The claim is a UDP socket on the first port of the block; servers do not use UDP.
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


# At import, because a test has to close the sockets that it opens.
_claim, _block = claim_block(random.sample(BLOCKS, len(BLOCKS)))
atexit.register(_claim.close)
_ports = cycle(_block)


def free_port() -> int:
    """Find a free port that no other process of tests is given."""
    for port in islice(_ports, BLOCK):
        with socket.socket() as probe, suppress(OSError):
            if os.name == "posix":
                # Connections of a server that has ended do not block the port for the next one.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise LookupError("all ports of this process of tests are taken")
