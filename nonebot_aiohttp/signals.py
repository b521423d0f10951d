"""The signals that stop the own process.

They guard the promise that one wish to stop is one orderly stop. A process is signalled by several
at once: at Ctrl+C the terminal signals the whole group, and a supervisor such as ``nb run`` signals
its child besides.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

FORCING_PAUSE = 1.0
"""Seconds after the first signal from which on a SIGINT is a second wish, and no echo of it."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """List the signals that stop the process on this system."""
    if sys.platform == "win32":
        return (signal.SIGINT, signal.SIGBREAK)
    return (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_handled(
    stop: Callable[[], object],
    force: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Let the first signal stop, and a later SIGINT force; put back what was there.

    Outside the main thread nothing is touched, because Python allows it there only.

    Args:
        stop: Called at the first signal, from the event loop or in between; must be thread-safe.
        force: Called at the first SIGINT that comes ``FORCING_PAUSE`` later; then
            ``KeyboardInterrupt`` is raised, which ends also a handler that blocks the loop.
        clock: Monotonic seconds.

    Yields:
        While the signals are handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(stop, force, clock)
    # signal.signal on every system: loop.add_signal_handler does not exist on Windows.
    handler.before = {number: signal.signal(number, handler) for number in stop_signals()}
    try:
        yield
    finally:
        for number in handler.before:
            handler.put_back(number)


class _Handler:
    def __init__(
        self, stop: Callable[[], object], force: Callable[[], object], clock: Callable[[], float]
    ) -> None:
        self.before: dict[int, Any] = {}
        self._stop = stop
        self._force = force
        self._clock = clock
        self._process = os.getpid()
        self._first: float | None = None
        self._forced = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A child that was forked has inherited this handler, and is not what it would stop.
            self.put_back(number)
            signal.raise_signal(number)
        elif self._first is None:
            self._first = self._clock()
            self._stop()
        elif number == signal.SIGINT and self._is_second_wish(self._first):
            self._forced = True
            self._force()
            raise KeyboardInterrupt

    def _is_second_wish(self, first: float) -> bool:
        return not self._forced and self._clock() - first >= FORCING_PAUSE

    def put_back(self, number: int) -> None:
        """Restore what handled a signal before."""
        before = self.before.get(number)
        # None: it was not installed by Python, which cannot install it again.
        signal.signal(number, signal.SIG_DFL if before is None else before)
