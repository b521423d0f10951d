"""How much of the processor others used during a run: their work makes the figures noisy."""

from __future__ import annotations

import time

import psutil

NOISY = 0.1
"""Share of the processor from which a run is called noisy."""


class Neighbours:
    """Watches the processor from its creation on."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._before = _others()

    def share(self) -> float:
        """Return the part of all cores' time that processes outside this run have used."""
        elapsed = time.monotonic() - self._started
        return max(0.0, (_others() - self._before) / elapsed / (psutil.cpu_count() or 1))


def _others() -> float:
    """Return the seconds that all cores have worked, but for us and our ended children."""
    times = psutil.cpu_times()
    # Linux counts the time of virtual machines in user and nice as well.
    idle = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    ours = psutil.Process().cpu_times()
    own = ours.user + ours.system
    own += getattr(ours, "children_user", 0.0) + getattr(ours, "children_system", 0.0)
    return float(sum(times) - idle - own)
