"""Ports for servers in processes of their own, which cannot tell which one the system chose."""

from __future__ import annotations

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Find a port that nobody listens on.

    Out of the range that systems give to clients, and to servers that ask for any port: another
    test's server would be there before the process that the port is for.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
