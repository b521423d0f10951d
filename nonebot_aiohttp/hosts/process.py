"""The own process: its event loop, its threads, its exit code. Only ``run()`` comes here."""

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
from ..life.lifespan import Lifespan
from ..log import console_logging, is_level
from ..log.own import logger
from .exit import FAILED, FORCED, LOOK_PAUSE, end_soon, end_without, running_threads
from .failed_start import log_failed_start
from .signals import StopSignals, signals_handled

FORCED_END = 0.9
"""Seconds after a second Ctrl+C within which the process has ended, whatever runs."""

FORCED_GRACE = 0.5
"""Seconds of ``FORCED_END`` that tasks get to end."""

DEFAULT_LEVEL = "INFO"
"""The lowest level that the console shows where the configuration names none."""

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def loop_factory(name: str) -> LoopFactory:
    """Choose the event loop by the setting ``aiohttp_loop``.

    Raises:
        ValidationError: uvloop is asked for and is not installed.
    """
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            text = 'uvloop is not installed: pip install "nonebot-aiohttp[speedups]"'
            raise ValidationError({"aiohttp_loop": text}) from None
        return asyncio.new_event_loop
    factory: LoopFactory = uvloop.new_event_loop
    return factory


def run_loop(
    main: Coroutine[Any, Any, None],
    factory: LoopFactory,
    signals: StopSignals,
    lifespan: Lifespan,
) -> None:
    """Run a coroutine on a new event loop and leave nothing behind.

    ``asyncio.Runner`` would do, but Python 3.10 does not have it, and it waits without limit for
    threads, and for tasks that refuse to end when the end is forced.
    """
    loop = factory()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(_ignore_interrupt)
    executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(main)
    except KeyboardInterrupt:
        # Not in the signal's handler, because the signal may have come while a line was logged.
        lifespan.cut_off()
        raise
    finally:
        try:
            with lifespan.deadline.grace() as seconds:
                grace = FORCED_GRACE if signals.forced else seconds
                _cancel_rest(loop, grace)
                loop.run_until_complete(_within(loop.shutdown_asyncgens(), grace))
            if not signals.forced:
                with lifespan.deadline.peers() as seconds:
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
    # Not wait_for(), which waits without limit for a task that refuses to be cancelled.
    task = asyncio.ensure_future(coroutine)
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    await asyncio.wait({task}, timeout=LEAST_GRACE)


async def _join_threads(executor: ThreadPoolExecutor, seconds: float) -> None:
    """Wait for an executor's threads, which may need the loop.

    ``loop.shutdown_default_executor()`` has no timeout before Python 3.12 and under uvloop.
    """
    joining = threading.Thread(target=executor.shutdown, daemon=True)
    joining.start()
    until = time.monotonic() + seconds
    # Not an event: it would have to be set through a loop that may be closed by then.
    while joining.is_alive() and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_PAUSE)


def _ignore_interrupt(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Do not log the tasks through which the interrupt has left the loop."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


@contextmanager
def imports_out_of_collections() -> Iterator[None]:
    """Keep everything that is imported out of garbage collections, because it stays anyway.

    Without this each full collection walks through it and stops the event loop for 40 ms.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def serve_process(
    serving: Coroutine[Any, Any, None],
    lifespan: Lifespan,
    *,
    loop: str,
    log_level: int | str,
    stop: Callable[[], None],
    failed: Callable[[BaseException], None] = lambda _: None,
) -> None:
    """Run a server as the main thing that this process does.

    Args:
        serving: Serves until ``stop``.
        lifespan: Its driver's life; threads get what is left of the deadline of its stop.
        loop: The setting ``aiohttp_loop``.
        log_level: The lowest level that the console shows; a name or a number of loguru's.
        stop: Makes ``serving`` stop; thread-safe.
        failed: Called with why the start has failed, when that is logged.

    Raises:
        SystemExit: With 1 when the start failed, with 130 when a second Ctrl+C forced the end.
    """
    _fill_standard_streams()
    threads = running_threads()
    with console_logging(log_level if is_level(log_level) else DEFAULT_LEVEL):
        try:
            _check_level(log_level)
            _run(serving, lifespan, loop_factory(loop), stop)
        except NonebotAiohttpError as error:
            log_failed_start(error)
            failed(error)
            _leave_threads(FAILED, threads, lifespan.deadline)
            raise SystemExit(FAILED) from error
        except _Forced:
            raise SystemExit(FORCED) from None
        except BaseException as error:
            _leave_threads(_exit_code(error), threads, lifespan.deadline)
            raise
        else:
            _leave_threads(0, threads, lifespan.deadline)
        finally:
            if inspect.getcoroutinestate(serving) == inspect.CORO_CREATED:
                # It never began, and Python would warn of that.
                serving.close()


def _run(
    serving: Coroutine[Any, Any, None],
    lifespan: Lifespan,
    factory: LoopFactory,
    stop: Callable[[], None],
) -> None:
    def force() -> None:
        end_soon(FORCED, FORCED_END)

    with imports_out_of_collections(), raised_limit(), signals_handled(stop, force) as signals:
        try:
            run_loop(serving, factory, signals, lifespan)
        except KeyboardInterrupt:
            if not signals.forced:
                raise
            logger.error("Forced to end by a second Ctrl+C")
            raise _Forced from None


class _Forced(BaseException):
    """A second Ctrl+C has ended the loop."""


def _fill_standard_streams() -> None:
    """Open the null device where a standard stream was closed, as by ``2>&-``.

    Otherwise the next file or socket gets its number. Then libuv, under uvloop, aborts the process
    when that socket is closed, and what anybody writes to stderr goes to a peer.
    """
    if os.name != "posix":
        return
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The system takes the lowest free number; those below were filled before.
            os.open(os.devnull, os.O_RDWR)


def _leave_threads(code: int, before: set[threading.Thread], deadline: Deadline) -> None:
    """Let the process end at its deadline, whatever threads still run.

    Those that ran before the server are the program's own business.
    """
    if threading.current_thread() is threading.main_thread():
        threads = running_threads() - before
        if threads:
            end_without(threads, code, deadline.for_peers)


def _exit_code(error: BaseException) -> int:
    code = error.code if isinstance(error, SystemExit) else FAILED
    if code is None:
        return 0
    return code if isinstance(code, int) else FAILED


def _check_level(level: int | str) -> None:
    if not is_level(level):
        raise ValidationError({"log_level": "must be a name or a number of loguru's levels"})
