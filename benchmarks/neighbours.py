"""The processor time of other processes during a run, which makes the figures noisy."""

from __future__ import annotations

import time

import psutil

NOISY = 0.1
"""The share of the processor from which a run is called noisy."""


class Neighbours:
    """Measures the processor time of others from its creation on."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._before = _others()

    def share(self) -> float:
        """Return the fraction of all cores' time that processes outside this run have used."""
        elapsed = time.monotonic() - self._started
        return max(0.0, (_others() - self._before) / elapsed / (psutil.cpu_count() or 1))


def _others() -> float:
    """Return the busy seconds of all cores, without this process and its ended children."""
    times = psutil.cpu_times()
    # Linux includes the time of virtual machines in user and nice.
    idle = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    ours = psutil.Process().cpu_times()
    own = ours.user + ours.system
    own += getattr(ours, "children_user", 0.0) + getattr(ours, "children_system", 0.0)
    return float(sum(times) - idle - own)
