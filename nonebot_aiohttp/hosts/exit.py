"""The exit of the own process, whatever its threads do.

When the interpreter exits, Python waits without limit for every thread that is not a daemon: for
``asyncio.to_thread``, for each sync handler of NoneBot2, for ``getaddrinfo`` without a network.
Nothing can end a thread from outside; only the process can exit without it.
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

from ..log import logger as loguru_logger
from ..log.own import logger

FLUSH_TIMEOUT = 0.1
"""Seconds that logs and standard streams get to be flushed; their reader may have stalled."""

FAILED, FORCED = 1, 130
"""Exit codes of a failed start or an error, and of an end that Ctrl+C has forced; a stop is 0."""

ATEXIT_TIMEOUT = 1.0
"""Seconds that the functions of ``atexit`` get if threads have not ended."""

LOOK_PAUSE = 0.01
"""Seconds between looks at whether threads have ended."""


def end_soon(code: int, seconds: float) -> None:
    """End the process after some seconds, with logs and streams flushed, unless it has ended.

    It may be called from a signal handler, which interrupts any code, so it must not take a lock,
    as ``threading.Thread`` does.
    """

    def flush() -> None:
        time.sleep(seconds - FLUSH_TIMEOUT)
        _flush()

    def end() -> None:
        time.sleep(seconds)
        os._exit(code)

    # Two, because a flush may block. Both now, because no thread starts at the interpreter's exit.
    _thread.start_new_thread(flush, ())
    _thread.start_new_thread(end, ())


def end_without(threads: set[threading.Thread], code: int, seconds: float) -> None:
    """Let the process exit without the threads that still run some time after its main thread.

    Args:
        threads: The threads.
        code: The exit code then, unless an error ends the main thread. A later ``sys.exit()`` of
            the program cannot be seen from here.
        seconds: How long to wait for them once the main thread has ended.
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
            # Python sets it when it shows an uncaught error.
            codes.append(FAILED)
        leaving.set()
        _run_atexit()
        left.set()
        time.sleep(FLUSH_TIMEOUT)
        os._exit(codes[-1])

    # Now, because Python 3.12 starts no thread once the interpreter exits.
    threading.Thread(target=end, daemon=True, name="end of the process").start()
    # Private: `atexit` comes after Python has waited for all threads, and nothing public comes
    # before. concurrent.futures registers its own wait there, too; the last one is called first.
    register: Callable[..., Any] = threading._register_atexit  # type: ignore[attr-defined]
    with suppress(RuntimeError):  # The interpreter has begun to exit.
        register(leave)


def _wait_for(threads: set[threading.Thread], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(_is_busy, threads)):
        time.sleep(LOOK_PAUSE)


def running_threads() -> set[threading.Thread]:
    """List the threads that keep the process from exiting, but for the main one and this one."""
    others = set(threading.enumerate()) - {threading.main_thread(), threading.current_thread()}
    return {each for each in others if not each.daemon and _is_busy(each)}


def _is_busy(thread: threading.Thread) -> bool:
    """Tell whether a thread runs; Python itself ends the idle workers of pools."""
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
    # Private, but in every supported Python. The children of multiprocessing end there, for one.
    run: Callable[[], Any] = getattr(atexit, "_run_exitfuncs", lambda: None)
    with suppress(Exception):
        run()


def _flush() -> None:
    steps: list[Callable[[], Any]] = [loguru_logger.complete, logging.shutdown]
    steps += [stream.flush for stream in (sys.stdout, sys.stderr) if stream is not None]
    for step in steps:
        with suppress(Exception):
            step()
