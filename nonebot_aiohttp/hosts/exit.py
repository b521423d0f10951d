"""The end of the own process, whatever its threads do.

At the exit of the interpreter Python waits for every thread that is not a daemon, without limit:
for ``asyncio.to_thread``, for each sync handler of NoneBot2, for ``getaddrinfo`` without a network.
Nothing can end a thread from outside; only the process can leave without it.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..log import logger

FLUSH_TIMEOUT = 0.1
"""Seconds that logs and standard streams get to be flushed: who reads them may have stalled."""

FAILED, FORCED = 1, 130
"""Exit codes: of a failed start or an error, and of an end that Ctrl+C has forced; a stop is 0."""

ATEXIT_TIMEOUT = 1.0
"""Seconds that the functions of ``atexit`` get where threads have not ended."""

LOOK_PAUSE = 0.01
"""Seconds between looks at whether threads have ended."""


def end_soon(code: int, seconds: float) -> None:
    """End the process after some seconds, unless it ends by itself before.

    It may be called from the handler of a signal, which interrupts any code: so it takes no lock,
    as ``threading.Thread`` would.

    Args:
        code: The exit code.
        seconds: The seconds; within them logs and standard streams are flushed.
    """

    def flush() -> None:
        time.sleep(seconds - FLUSH_TIMEOUT)
        _flush()

    def end() -> None:
        time.sleep(seconds)
        os._exit(code)

    # Two, and both now: a flush may block, and no thread starts at the exit of the interpreter.
    _thread.start_new_thread(flush, ())
    _thread.start_new_thread(end, ())


def end_without(threads: set[threading.Thread], code: int, seconds: float) -> None:
    """Let the process end without threads that have not ended when its main thread has.

    Args:
        threads: The threads.
        code: The exit code then, unless an error ends the main thread. What the program says later
            by ``sys.exit()`` cannot be seen from here.
        seconds: How long they are waited for when the main thread has ended.
    """
    leaving, left = threading.Event(), threading.Event()
    codes = [code]

    def end() -> None:
        leaving.wait()
        left.wait(ATEXIT_TIMEOUT)
        _flush()
        os._exit(codes[-1])

    def leave() -> None:
        try:
            _wait_for(threads, seconds)
        except KeyboardInterrupt:
            codes.append(FORCED)
        names = [_described(each) for each in threads if _is_busy(each)]
        if not names:
            return
        logger.warning("Ended without thread(s) that had not ended: {}", ", ".join(names))
        if getattr(sys, "last_value", None) is not None:
            # Python sets it when it shows an error that nobody has caught.
            codes.append(FAILED)
        leaving.set()
        _run_atexit()
        left.set()
        time.sleep(FLUSH_TIMEOUT)
        os._exit(codes[-1])

    # Now, because Python 3.12 starts no thread at the exit of the interpreter any more.
    threading.Thread(target=end, daemon=True, name="end of the process").start()
    # Private: what `atexit` calls comes after Python has waited for all threads, and nothing public
    # comes before. concurrent.futures has registered its own wait there; the last is called first.
    register: Callable[..., Any] = threading._register_atexit  # type: ignore[attr-defined]
    with suppress(RuntimeError):  # The interpreter has begun to exit.
        register(leave)


def _wait_for(threads: set[threading.Thread], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(_is_busy, threads)):
        time.sleep(LOOK_PAUSE)


def running_threads() -> set[threading.Thread]:
    """List the threads, besides the main one, that keep the process from ending."""
    others = set(threading.enumerate()) - {threading.main_thread(), threading.current_thread()}
    return {each for each in others if not each.daemon and _is_busy(each)}


def _is_busy(thread: threading.Thread) -> bool:
    """Tell whether a thread runs; idle workers of pools do not count, as Python ends them."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None or not thread.is_alive():
        return False
    place = frame.f_globals.get("__name__"), frame.f_code.co_name
    return place != ("concurrent.futures.thread", "_worker")


def _described(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return thread.name
    place = f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}"
    return f"{thread.name} (in {place}, line {frame.f_lineno})"


def _run_atexit() -> None:
    # Private, and older than any Python here: the children of multiprocessing end there, for one.
    run: Callable[[], Any] = getattr(atexit, "_run_exitfuncs", lambda: None)
    with suppress(Exception):
        run()


def _flush() -> None:
    steps: list[Callable[[], Any]] = [logger.complete, logging.shutdown]
    steps += [stream.flush for stream in (sys.stdout, sys.stderr) if stream is not None]
    for step in steps:
        with suppress(Exception):
            step()
