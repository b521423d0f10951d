"""``Background``: an event loop in a thread of its own, for the kit's side of each connection.

So a platform serves whatever loop a test runs on (of a function, of a session, of anyio's), and it
goes on while the bot's loop is blocked.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ..common.owned import OwnLoop
from ..common.timeline import timeline

T = TypeVar("T")

_ENDING = 10.0
"""Seconds for the thread to end; only a failure takes them."""

_SHOWN = 6
"""Frames of what blocks the loop, the innermost ones."""

_ONCE_MORE = 1.0
"""Seconds for what comes after a deadline that has passed."""


class Blocked(AssertionError):
    """The platform's event loop does not end in time, such as because a function blocks it."""


class Background:
    """An event loop in a thread; it runs from `start` to `stop`."""

    def __init__(self, name: str, close: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Name the thread, and take what closes all that is open on the loop.

        The owner of the loop closes that; only where the loop was blocked then does the thread.
        """
        self._name = name
        self._close = close
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_late = False

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: It was started before.
        """
        if self._thread is not None:
            raise RuntimeError("a platform has one block: make another Platform for another block")
        # The same kind whatever policy the tests have set, because the faults are made with it.
        self._loop = OwnLoop()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether coroutines can run on it."""
        return self._loop is not None and not self._loop.is_closed()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Run a coroutine on this loop; the result can be awaited on any loop.

        Raises:
            RuntimeError: This loop does not run.
        """
        if threading.current_thread() is self._thread:
            return coroutine
        return asyncio.wrap_future(self._submit(coroutine))

    def wait(self, coroutine: Coroutine[Any, Any, T], deadline: float) -> T:
        """Run a coroutine on this loop, and wait in this thread, at most `deadline` seconds.

        Raises:
            RuntimeError: This loop does not run.
            Blocked: The seconds have passed.
        """
        future = self._submit(coroutine)
        try:
            return future.result(_ONCE_MORE if self._is_late else deadline)
        except concurrent.futures.TimeoutError:
            if future.done():  # The coroutine's own.
                raise
            future.cancel()
            raise self._late(deadline) from None

    async def call_within(self, coroutine: Coroutine[Any, Any, object], deadline: float) -> None:
        """Do what `wait` does, without blocking the event loop of this thread."""
        future = asyncio.wrap_future(self._submit(coroutine))
        try:
            done, _ = await asyncio.wait({future}, timeout=deadline)
        finally:
            future.cancel()
        if not done:
            raise self._late(deadline)
        future.result()

    def _late(self, deadline: float) -> Blocked:
        self._is_late = True
        thread = self._thread
        frame = None if thread is None else sys._current_frames().get(thread.ident or 0)
        where = "".join(traceback.format_stack(frame)[-_SHOWN:]) if frame is not None else ""
        return Blocked(
            f"the platform did not end within {deadline:g} s. Functions that answer or greet run on"
            " its event loop, and must not block it: make them async, and await what takes time"
            " (asyncio.to_thread for what cannot be awaited). It is here now:\n"
            f"{where}\n{timeline.render()}"
        )

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function on this loop, if it runs."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # It has just been closed.
                self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Cancel what still runs, and end the thread.

        A thread whose loop is blocked is left to its end, or to that of the process.

        Raises:
            Blocked: The loop is blocked.
        """
        if self._loop is None or self._thread is None:
            return
        try:
            # Otherwise the thread does it when it can.
            if not self._is_late:
                self.wait(_cancel_the_others(), _ENDING)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_ONCE_MORE if self._is_late else _ENDING)

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None or not self.is_running:
            coroutine.close()
            raise RuntimeError("the platform does not run: it does from begin to end of its block")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        if self._is_late:
            self._loop.run_until_complete(_cancel_the_others())
            with contextlib.suppress(Exception):  # Somebody has said already what is wrong.
                self._loop.run_until_complete(asyncio.wait_for(self._close(), _ENDING))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        self._loop.close()


async def _cancel_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
