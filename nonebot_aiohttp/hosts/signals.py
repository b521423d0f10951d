"""The signals that stop the own process.

They guard the promise that one wish to stop is one orderly stop. A process may get the same wish
twice: at Ctrl+C the terminal signals the whole process group, and a supervisor such as ``nb run``
also signals its child. So a signal that closely follows another one is its echo.
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
"""Seconds after the first signal; a later SIGINT is not its echo, but a second wish."""

LOOK_PAUSE = 0.01
"""Seconds between looks at whether the echo has come."""


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
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[StopSignals]:
    """Let the first signal stop, and a later SIGINT force; put back what was there.

    After a Ctrl+C it leaves only when the echo has come, or would have come: an echo that comes
    when the handlers are restored would interrupt the program's own cleanup. Outside of the main
    thread it touches nothing, because Python allows signal handlers there only.

    Args:
        stop: Called at the first signal, from the event loop or in between; must be thread-safe.
        force: Called at the first SIGINT that comes ``FORCING_PAUSE`` later; then
            ``KeyboardInterrupt`` is raised, which also ends a handler that blocks the loop.
    """
    handler = StopSignals(stop, force, clock)
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    _look_after_forks()
    # signal.signal on every system, because Windows does not have loop.add_signal_handler.
    handler.before = {number: signal.signal(number, handler) for number in stop_signals()}
    _handlers.append(handler)
    try:
        yield handler
        while handler.expects_echo():
            sleep(LOOK_PAUSE)
    finally:
        _handlers.remove(handler)
        handler.put_back()


class StopSignals:
    """The handler, and what it has seen.

    Attributes:
        before: What handled the signals before.
        forced: Whether the end was forced.
    """

    def __init__(
        self, stop: Callable[[], object], force: Callable[[], object], clock: Callable[[], float]
    ) -> None:
        self.before: dict[int, Any] = {}
        self.forced = False
        self._stop = stop
        self._force = force
        self._clock = clock
        self._received: list[int] = []
        self._first = 0.0

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal: the first stops, a later SIGINT forces."""
        self._received.append(number)
        if len(self._received) == 1:
            self._first = self._clock()
            self._stop()
        elif number == signal.SIGINT and not self.forced and not self._may_be_echo():
            self.forced = True
            self._force()
            raise KeyboardInterrupt

    def expects_echo(self) -> bool:
        """Tell whether the echo of a Ctrl+C may still come."""
        return self._received == [signal.SIGINT] and self._may_be_echo()

    def _may_be_echo(self) -> bool:
        return self._clock() - self._first < FORCING_PAUSE

    def put_back(self) -> None:
        """Restore what handled the signals before."""
        for number, before in self.before.items():
            # None: Python did not install it, and cannot install it again.
            signal.signal(number, signal.SIG_DFL if before is None else before)


_handlers: list[StopSignals] = []
"""The handlers that are installed now, the newest one last."""

_fork = threading.local()
"""Holds the signal mask that a thread had before it began to fork."""

_looked_after = False


def _look_after_forks() -> None:
    """Keep the handlers out of forked children, which must not stop the driver.

    For the rest of the process, because Python cannot unregister such a function.
    """
    global _looked_after
    if not _looked_after and hasattr(os, "register_at_fork"):
        _looked_after = True
        os.register_at_fork(
            before=_block, after_in_parent=_unblock, after_in_child=_put_back_in_child
        )


def _block() -> None:
    # Python loses a signal that a child gets before it is ready to handle it.
    _fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _fork.mask)


def _put_back_in_child() -> None:
    while _handlers:
        _handlers.pop().put_back()
        signal.signal(signal.SIGINT, _ChildsInterrupt(signal.getsignal(signal.SIGINT)))
    _unblock()


class _ChildsInterrupt:
    """Ignores the first Ctrl+C in a forked child, and its echo.

    The terminal signals the children as well, although handlers of their parent may still wait for
    their results, as with a ProcessPoolExecutor. It is not ``SIG_IGN``, because a program that the
    child executes would inherit that.
    """

    def __init__(self, before: Any) -> None:
        self._before = before
        self._first: float | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first >= FORCING_PAUSE:
            signal.signal(number, self._before)
            signal.raise_signal(number)
