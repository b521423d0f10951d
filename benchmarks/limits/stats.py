"""What the subject tells of itself: how much it has done, and how late its event loop was."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..control import Control
from .report import percentile

TICK = 0.005
"""Seconds between two looks at the clock."""


class LoopLag:
    """Measures how many milliseconds later than asked for the event loop runs a callback.

    Beside that it measures how much processor time the loop's thread used beyond the time asked
    for: what the lag would be if no other process had been there.
    """

    def __init__(self) -> None:
        self._late = [(0.0, 0.0)]

    def start(self) -> None:
        """Begin, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._wait()

    def take(self) -> dict[str, float]:
        """Return percentiles since the last time; may be called from any thread."""
        late, self._late = self._late, [(0.0, 0.0)]
        walls, busies = zip(*late, strict=True)
        return {
            "p99": percentile(walls, 99),
            "max": max(walls),
            "busy p99": percentile(busies, 99),
            "busy max": max(busies),
        }

    def _wait(self) -> None:
        self._due = time.perf_counter() + TICK
        self._used = time.thread_time() + TICK
        self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        late, busy = time.perf_counter() - self._due, time.thread_time() - self._used
        self._late.append((late * 1000, max(0.0, busy * 1000)))
        self._wait()


def answer_questions(tell: Callable[[], dict[str, Any]], stop: Callable[[], None]) -> None:
    """Answer each line of the runner's with what there is to tell, and stop when it hangs up.

    Args:
        tell: Returns the fields of the answer; called in a thread of its own.
        stop: Called in that thread, too.
    """
    control = Control()

    def listen() -> None:
        for _question in sys.stdin:
            control.say(stats=tell())
        stop()

    threading.Thread(target=listen, daemon=True).start()
