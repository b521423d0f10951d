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
    _look_after_forks()
    # signal.signal on every system: loop.add_signal_handler does not exist on Windows.
    handler.before = {number: signal.signal(number, handler) for number in stop_signals()}
    _handlers.append(handler)
    try:
        yield
    finally:
        _handlers.remove(handler)
        handler.put_back()


class _Handler:
    def __init__(
        self, stop: Callable[[], object], force: Callable[[], object], clock: Callable[[], float]
    ) -> None:
        self.before: dict[int, Any] = {}
        self._stop = stop
        self._force = force
        self._clock = clock
        self._first: float | None = None
        self._forced = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self._first is None:
            self._first = self._clock()
            self._stop()
        elif number == signal.SIGINT and self._is_second_wish(self._first):
            self._forced = True
            self._force()
            raise KeyboardInterrupt

    def _is_second_wish(self, first: float) -> bool:
        return not self._forced and self._clock() - first >= FORCING_PAUSE

    def put_back(self) -> None:
        """Restore what handled the signals before."""
        for number, before in self.before.items():
            # None: it was not installed by Python, which cannot install it again.
            signal.signal(number, signal.SIG_DFL if before is None else before)


_handlers: list[_Handler] = []
"""Those that handle the signals now, the last one first."""

_fork = threading.local()
"""The mask of signals that a thread had before it began to fork."""

_looked_after = False


def _look_after_forks() -> None:
    """Keep the handlers out of forked children, which are not what they would stop.

    For the whole life of the process, because Python takes back no function of this kind.
    """
    global _looked_after
    if not _looked_after and hasattr(os, "register_at_fork"):
        _looked_after = True
        os.register_at_fork(
            before=_block, after_in_parent=_unblock, after_in_child=_put_back_in_child
        )


def _block() -> None:
    # Python forgets a signal that a child gets before it is ready for its handlers.
    _fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _fork.mask)


def _put_back_in_child() -> None:
    while _handlers:
        _handlers.pop().put_back()
    _unblock()
