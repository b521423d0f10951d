"""Keeps idle cores awake during a run: what it costs to wake one would be in the figures.

In a virtual machine the one who wakes a sleeping core pays for it with a trip to the hypervisor. A
server that keeps its load generator busy pays seldom, a slightly slower one for each answer; their
quotient then says more about the hypervisor than about either.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

LATENCY = Path("/dev/cpu_dma_latency")
"""Linux keeps the greatest wake-up latency that was written here, as long as the file is open
(https://docs.kernel.org/power/pm_qos_interface.html)."""


@contextlib.contextmanager
def keep_awake() -> Iterator[bool]:
    """Keep the cores awake while the block runs, where the system allows it: on Linux, as root.

    Yields:
        Whether they are asked to stay awake; a machine without such a state sleeps nevertheless.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = os.open(LATENCY, os.O_WRONLY)
            stack.callback(os.close, file)
            os.write(file, struct.pack("i", 0))
            awake = True
        except OSError:
            awake = False
        yield awake
