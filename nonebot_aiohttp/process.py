"""The own process: an event loop, the signals, and the exit codes. Only ``run()`` comes here."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .exceptions import NonebotAiohttpError, ValidationError
from .log import console_logging, is_level, log_exception, logger

FAILED_START, FORCED = 1, 130
"""Exit codes; a clean stop is 0."""

FORCED_GRACE = 1.0
"""Seconds that tasks get to end when a second signal has come."""

THREADS_GRACE = 5.0
"""Seconds that the threads of ``asyncio.to_thread`` and of look-ups of addresses get to end."""

LOOK_PAUSE = 0.01
"""Seconds between looks at whether they have."""

DEFAULT_LEVEL = "INFO"
"""From which level on the console shows records, unless the configuration says so."""

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def loop_factory(name: str) -> LoopFactory:
    """Choose the event loop.

    Args:
        name: ``"auto"`` is uvloop where it is installed; or ``"uvloop"``, ``"asyncio"``.

    Returns:
        A function that makes the loop.

    Raises:
        ValidationError: uvloop is asked for and not installed.
    """
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            text = "uvloop is not installed: pip install nonebot-aiohttp[speedups]"
            raise ValidationError({"aiohttp_loop": text}) from None
        return asyncio.new_event_loop
    factory: LoopFactory = uvloop.new_event_loop
    return factory


def run_loop(
    main: Coroutine[Any, Any, Any], factory: LoopFactory, cut_off: Callable[[], None]
) -> Any:
    """Run a coroutine on a new event loop and leave nothing behind.

    ``asyncio.Runner`` is the same, but Python 3.10 has none, and it waits without limit for tasks
    that do not end when a second signal has come, and for threads.

    Args:
        main: What to run.
        factory: Makes the loop.
        cut_off: Logs what is cut off when ``KeyboardInterrupt`` ends the loop.

    Returns:
        What it returned.
    """
    loop = factory()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(_ignore_interrupt)
    executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
    loop.set_default_executor(executor)
    try:
        return loop.run_until_complete(main)
    except KeyboardInterrupt:
        # Not in the signal's handler: the signal may have come while a line was being logged.
        cut_off()
        raise
    finally:
        try:
            _cancel_rest(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            if not _was_forced():
                loop.run_until_complete(_join_threads(executor))
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_rest(loop: asyncio.AbstractEventLoop) -> None:
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.wait(rest, timeout=FORCED_GRACE))


async def _join_threads(executor: ThreadPoolExecutor) -> None:
    """Wait for an executor's threads, which may need the loop, but not without limit.

    ``loop.shutdown_default_executor()`` has no limit before Python 3.12 and under uvloop. What
    hangs here, such as ``getaddrinfo`` without a network, cannot be ended: Python joins it at the
    exit of the interpreter, so that the process ends no sooner.
    """
    loop = asyncio.get_running_loop()
    joining = threading.Thread(target=executor.shutdown, daemon=True)
    joining.start()
    deadline = loop.time() + THREADS_GRACE
    # An event would have to be set through a loop that may be closed by then.
    while joining.is_alive() and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_PAUSE)
    if joining.is_alive():
        logger.warning("Threads that have not ended hold up the end of the process")


def _ignore_interrupt(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of the tasks through which the interrupt has come on its way out of the loop."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


def _was_forced() -> bool:
    return isinstance(sys.exc_info()[1], KeyboardInterrupt)


@contextmanager
def imports_out_of_collections() -> Iterator[None]:
    """Keep the garbage collector away from what is there: it stays as long as the process runs.

    Without this each full collection walks all that is imported and stops the event loop for 40 ms.

    Yields:
        While it is kept away.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def stop_signals() -> tuple[signal.Signals, ...]:
    """List the signals that stop the process on this system."""
    if sys.platform == "win32":
        return (signal.SIGINT, signal.SIGBREAK)
    return (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_handled(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first signal stop and the second one raise; put back what was there.

    Outside the main thread nothing is touched, for Python allows it there only.

    Args:
        stop: Called at the first signal, from the event loop or in between; must be thread-safe.

    Yields:
        While the signals are handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            stop()
        else:
            # Raised here it ends also a handler that blocks the loop.
            raise KeyboardInterrupt

    # signal.signal on every system: loop.add_signal_handler does not exist on Windows.
    before = {number: signal.signal(number, handle) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_process(
    serving: Coroutine[Any, Any, Any],
    *,
    loop: str,
    log_level: int | str,
    stop: Callable[[], None],
    cut_off: Callable[[], None],
) -> None:
    """Run a server as the main thing that this process does.

    Args:
        serving: Serves until ``stop``.
        loop: The setting ``aiohttp_loop``.
        log_level: From which level on the console shows records; a name or a number of loguru's.
        stop: Makes ``serving`` stop; thread-safe.
        cut_off: Logs what a forced end cuts off.

    Raises:
        SystemExit: With 1 when the start failed, with 130 when a second signal forced the end.
    """
    with console_logging(log_level if is_level(log_level) else DEFAULT_LEVEL):
        try:
            _check_level(log_level)
            factory = loop_factory(loop)
            with imports_out_of_collections(), signals_handled(stop):
                run_loop(serving, factory, cut_off)
        except KeyboardInterrupt:
            logger.error("Forced to end by a second signal")
            raise SystemExit(FORCED) from None
        except NonebotAiohttpError as error:
            _log_failed_start(error)
            raise SystemExit(FAILED_START) from error
        finally:
            if inspect.getcoroutinestate(serving) == inspect.CORO_CREATED:
                # It never began, of which Python would warn.
                serving.close()


def _check_level(level: int | str) -> None:
    if not is_level(level):
        raise ValidationError({"log_level": "must be a name or a number of loguru's levels"})


def _log_failed_start(error: NonebotAiohttpError) -> None:
    cause = error.__cause__
    if cause is None:
        logger.error("{}", error)
    else:
        log_exception("ERROR", str(error), cause)
