"""The own process: an event loop, its threads, and the exit codes. Only ``run()`` comes here."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..connections.descriptors import raised_limit
from ..exceptions import NonebotAiohttpError, ValidationError
from ..life.deadline import LEAST_GRACE, Deadline
from ..log import console_logging, is_level, log_exception, logger
from .exit import FAILED, FORCED, LOOK_PAUSE, end_soon, end_without, running_threads
from .signals import StopSignals, signals_handled

FORCED_END = 0.9
"""Seconds after a second Ctrl+C in which the process has ended, whatever runs."""

FORCED_GRACE = 0.5
"""Seconds of these that tasks get to end."""

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
    main: Coroutine[Any, Any, None],
    factory: LoopFactory,
    signals: StopSignals,
    cut_off: Callable[[], None],
    deadline: Callable[[], Deadline],
) -> None:
    """Run a coroutine on a new event loop and leave nothing behind.

    ``asyncio.Runner`` is the same, but Python 3.10 has none, and it waits without limit for tasks
    that do not end when the end is forced, and for threads.

    Args:
        main: What to run.
        factory: Makes the loop.
        signals: Tell whether the end was forced.
        cut_off: Logs what is cut off when ``KeyboardInterrupt`` ends the loop.
        deadline: Gives that of the stop.
    """
    loop = factory()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(_ignore_interrupt)
    executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(main)
    except KeyboardInterrupt:
        # Not in the signal's handler: the signal may have come while a line was being logged.
        cut_off()
        raise
    finally:
        try:
            with deadline().grace() as seconds:
                grace = FORCED_GRACE if signals.forced else seconds
                _cancel_rest(loop, grace)
                loop.run_until_complete(_within(loop.shutdown_asyncgens(), grace))
            if not signals.forced:
                with deadline().peers() as seconds:
                    loop.run_until_complete(_join_threads(executor, seconds))
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_rest(loop: asyncio.AbstractEventLoop, grace: float) -> None:
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.wait(rest, timeout=grace))


async def _within(coroutine: Coroutine[Any, Any, Any], seconds: float) -> None:
    # Not wait_for(), which waits for what refuses to be cancelled.
    task = asyncio.ensure_future(coroutine)
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    await asyncio.wait({task}, timeout=LEAST_GRACE)


async def _join_threads(executor: ThreadPoolExecutor, seconds: float) -> None:
    """Wait for an executor's threads, which may need the loop, but not without limit.

    ``loop.shutdown_default_executor()`` has no limit before Python 3.12 and under uvloop.
    """
    joining = threading.Thread(target=executor.shutdown, daemon=True)
    joining.start()
    until = time.monotonic() + seconds
    # An event would have to be set through a loop that may be closed by then.
    while joining.is_alive() and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_PAUSE)


def _ignore_interrupt(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of the tasks through which the interrupt has come on its way out of the loop."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


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


def serve_process(
    serving: Coroutine[Any, Any, None],
    *,
    loop: str,
    log_level: int | str,
    stop: Callable[[], None],
    cut_off: Callable[[], None],
    deadline: Callable[[], Deadline],
) -> None:
    """Run a server as the main thing that this process does.

    Args:
        serving: Serves until ``stop``.
        loop: The setting ``aiohttp_loop``.
        log_level: From which level on the console shows records; a name or a number of loguru's.
        stop: Makes ``serving`` stop; thread-safe.
        cut_off: Logs what a forced end cuts off.
        deadline: Gives that of the stop; threads have what is left of it.

    Raises:
        SystemExit: With 1 when the start failed, with 130 when a second Ctrl+C forced the end.
    """
    _fill_standard_streams()
    threads = running_threads()
    with console_logging(log_level if is_level(log_level) else DEFAULT_LEVEL):
        try:
            _check_level(log_level)
            _run(serving, loop_factory(loop), stop, cut_off, deadline)
        except NonebotAiohttpError as error:
            _log_failed_start(error)
            _leave_threads(FAILED, threads, deadline)
            raise SystemExit(FAILED) from error
        except _Forced:
            raise SystemExit(FORCED) from None
        except BaseException as error:
            _leave_threads(_exit_code(error), threads, deadline)
            raise
        else:
            _leave_threads(0, threads, deadline)
        finally:
            if inspect.getcoroutinestate(serving) == inspect.CORO_CREATED:
                # It never began, of which Python would warn.
                serving.close()


def _run(
    serving: Coroutine[Any, Any, None],
    factory: LoopFactory,
    stop: Callable[[], None],
    cut_off: Callable[[], None],
    deadline: Callable[[], Deadline],
) -> None:
    def force() -> None:
        end_soon(FORCED, FORCED_END)

    with imports_out_of_collections(), raised_limit(), signals_handled(stop, force) as signals:
        try:
            run_loop(serving, factory, signals, cut_off, deadline)
        except KeyboardInterrupt:
            if not signals.forced:
                raise
            logger.error("Forced to end by a second Ctrl+C")
            raise _Forced from None


class _Forced(BaseException):
    """A second Ctrl+C has ended the loop."""


def _fill_standard_streams() -> None:
    """Put the null device where a standard stream was closed, as by ``2>&-``.

    Else the next file or socket gets its number: libuv, under uvloop, aborts the process when it
    closes one of these, and what anybody writes to stderr would go to a peer.
    """
    if os.name != "posix":
        return
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free; those below were filled before.
            os.open(os.devnull, os.O_RDWR)


def _leave_threads(
    code: int, before: set[threading.Thread], deadline: Callable[[], Deadline]
) -> None:
    """Let the process end at its deadline, whatever threads still run that have begun here.

    Args:
        code: The exit code.
        before: Threads that ran before the server, and are the program's own business.
        deadline: Gives that of the stop.
    """
    if threading.current_thread() is threading.main_thread():
        threads = running_threads() - before
        if threads:
            end_without(threads, code, deadline().for_peers)


def _exit_code(error: BaseException) -> int:
    code = error.code if isinstance(error, SystemExit) else FAILED
    if code is None:
        return 0
    return code if isinstance(code, int) else FAILED


def _check_level(level: int | str) -> None:
    if not is_level(level):
        raise ValidationError({"log_level": "must be a name or a number of loguru's levels"})


def _log_failed_start(error: NonebotAiohttpError) -> None:
    cause = error.__cause__
    if cause is None:
        logger.error("{}", error)
    else:
        log_exception("ERROR", str(error), cause)
