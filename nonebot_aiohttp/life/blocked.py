"""``BlockedWatch``: with ``DEBUG=true`` the log names the code that blocks the event loop.

A thread sends the event loop heartbeats. While one is not answered it looks at the stack of the
loop's thread. A loop that waits for its selector answers at once, so it is never taken for blocked.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

from ..log.own import logger

LIMIT = 0.5
"""Seconds in one callback from which on the loop counts as blocked."""

LOOK_PAUSE = 0.1
"""Seconds between looks."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STDLIB = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})
_FRAMEWORKS = frozenset({"aiohttp", "anyio", "nonebot", "uvicorn", "starlette", "fastapi"})
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "ipdb", "pudb")
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})


def is_debugging(config: Any) -> bool:
    """Tell whether ``DEBUG`` is set; under NoneBot2 it may be a text, because it has no field."""
    value = getattr(config, "debug", False)
    return value.strip().lower() in _TRUE if isinstance(value, str) else value is True


def debug_watches(config: Any) -> list[BlockedWatch]:
    """List what a driver of this configuration watches while it is debugged; else nothing."""
    return [BlockedWatch()] if is_debugging(config) else []


class BlockedWatch:
    """Watches the event loop on which it is started, until it is stopped."""

    def __init__(self, limit: float = LIMIT, pause: float = LOOK_PAUSE) -> None:
        """Take the limit, and the pause between looks, in seconds."""
        self._limit = limit
        self._pause = pause
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start a thread that watches the running loop."""
        self._stopping = threading.Event()
        loop = asyncio.get_running_loop()
        watch = _LoopWatch(loop, threading.get_ident(), self._limit, self._pause)
        # Soon, because the first handler may block.
        loop.call_soon(watch.beat)
        self._thread = threading.Thread(
            target=watch.run, args=(self._stopping,), daemon=True, name="blocked event loop"
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join(self._pause)


class _LoopWatch:
    """What the thread knows: the heartbeat that is not answered yet, and what runs meanwhile."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, thread: int, limit: float, pause: float
    ) -> None:
        self._loop = loop
        self._thread = thread
        self._limit = limit
        self._pause = pause
        self._answered: float | None = None
        self._depth = sys.maxsize
        self._busy = _busy_clock(thread)
        self._looked = (time.monotonic(), self._busy())
        self._forget()

    def _forget(self) -> None:
        self._callback: FrameType | None = None
        self._since = 0.0
        self._held = 0.0
        self._place: str | None = None

    def run(self, stopping: threading.Event) -> None:
        """Look until the stop, or until the loop is closed."""
        try:
            while not stopping.wait(self._pause):
                self._look()
        except RuntimeError:
            # The loop was closed without a stop.
            pass
        finally:
            self._end(self._answered or time.monotonic())

    def beat(self) -> None:
        """Answer, in the loop's thread."""
        # What runs in this place of the stack is what the loop has called.
        self._depth = len(_stack(sys._getframe(1)))
        self._answered = time.monotonic()

    def _look(self) -> None:
        passed = self._passed()
        if self._answered is not None:
            self._end(self._answered)
            self._answered = None
            self._loop.call_soon_threadsafe(self.beat)
            return
        stack = _stack(sys._current_frames().get(self._thread))
        callback = stack[self._depth] if len(stack) > self._depth else None
        if callback is None or callback is not self._callback or _is_at_breakpoint(stack):
            # The loop is late, because it calls many things or the machine is slow.
            self._end(time.monotonic())
            self._callback, self._since = callback, time.monotonic()
            if callback is None or passed < self._limit:
                return
            # The loop's thread was busy and let no other run, as a regular expression does.
            self._since -= passed
        self._held += passed
        if self._held >= self._limit and self._place is None:
            self._report(stack[self._depth :])

    def _passed(self) -> float:
        """Return the seconds since the last look, without those in which the process stood still.

        It may have been suspended, or the machine may be too slow to run this thread in time.
        """
        before, self._looked = self._looked, (time.monotonic(), self._busy())
        seconds, busy = self._looked[0] - before[0], self._looked[1] - before[1]
        return min(seconds, max(2 * self._pause, busy))

    def _report(self, called: Sequence[FrameType]) -> None:
        self._place = describe_frame(users_frame(called))
        logger.warning(
            "The event loop has been blocked for {:.1f} s at {}: await what waits, such as"
            " asyncio.sleep(), or run it in a thread by asyncio.to_thread()",
            self._held,
            self._place,
        )

    def _end(self, now: float) -> None:
        if self._place is not None:
            seconds = now - self._since
            logger.warning("The event loop was blocked for {:.1f} s at {}", seconds, self._place)
        self._forget()


def _busy_clock(thread: int) -> Callable[[], float]:
    """Return the clock of a thread's CPU time; it stands still where the system has none."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    return partial(time.clock_gettime, time.pthread_getcpuclockid(thread))


def _stack(frame: FrameType | None) -> list[FrameType]:
    """List a frame and its callers, the outermost one first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _is_at_breakpoint(stack: Sequence[FrameType]) -> bool:
    return any(_package(frame) in _DEBUGGERS for frame in stack)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def users_frame(called: Sequence[FrameType]) -> FrameType:
    """Choose the frame that tells a user what blocks.

    Args:
        called: What the event loop has called, the outermost one first; at least one frame.

    Returns:
        The innermost frame of the user's own files; else what an installed plugin has called first;
        else the innermost frame.
    """
    for frame in reversed(called):
        if _is_users(frame.f_code.co_filename):
            return frame
    for frame in called:
        name = frame.f_code.co_filename
        if _is_installed(name) and _package(frame) not in _FRAMEWORKS and not _is_ours(name):
            return frame
    return called[-1]


def _is_users(name: str) -> bool:
    is_file = not name.startswith("<")
    return is_file and not (_is_installed(name) or _is_ours(name) or name.startswith(_STDLIB))


def _is_installed(name: str) -> bool:
    return "site-packages" in name or "dist-packages" in name


def _is_ours(name: str) -> bool:
    return name.startswith(_PACKAGE)


def describe_frame(frame: FrameType) -> str:
    """Name a frame by its file, line and function: ``my_bot.py:12 in handle_message``."""
    name = frame.f_code.co_filename
    for folder in (os.path.abspath(""), *sys.path):
        if folder and name.startswith(inside := os.path.join(folder, "")):
            name = name[len(inside) :]
            break
    return f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
