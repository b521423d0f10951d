"""Keeps idle cores awake during a run, because the time to wake one would be in the figures.

In a virtual machine waking a sleeping core costs a call to the hypervisor. A server that keeps its
load generator busy seldom has to wake it. A slightly slower server has to wake it for each answer.
The quotient of the two then says more about the hypervisor than about the servers.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

LATENCY = Path("/dev/cpu_dma_latency")
"""Linux does not exceed the wake-up latency that is written here, as long as the file is open
(https://docs.kernel.org/power/pm_qos_interface.html)."""


@contextlib.contextmanager
def keep_awake() -> Iterator[bool]:
    """Keep the cores awake while the block runs, where the system allows it: on Linux, as root.

    Yields:
        Whether the system accepted the request; a machine without such a state sleeps nevertheless.
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
