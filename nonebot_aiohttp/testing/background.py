"""``Background``: an event loop in a thread of its own, for the kit's side of each connection.

So a platform serves whatever loop a test runs on (of a function, of a session, of anyio's), and it
goes on while the bot's loop is blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from .owned import OwnLoop

T = TypeVar("T")

_ENDING = 10.0
"""Seconds for the thread to end; only a failure takes them."""


class Background:
    """An event loop in a thread; it runs from `start` to `stop`."""

    def __init__(self, name: str) -> None:
        """Name the thread."""
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

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

    def wait(self, coroutine: Coroutine[Any, Any, T], deadline: float | None = None) -> T:
        """Run a coroutine on this loop, and wait in this thread, at most `deadline` seconds.

        Raises:
            RuntimeError: This loop does not run.
        """
        return self._submit(coroutine).result(deadline)

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function on this loop, if it runs."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # It has just been closed.
                self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Cancel what still runs, and end the thread."""
        if self._loop is None or self._thread is None:
            return
        try:
            self.wait(_cancel_the_others(), _ENDING)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_ENDING)
            self._loop.close()

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None or not self.is_running:
            coroutine.close()
            raise RuntimeError("the platform does not run: it does from begin to end of its block")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        asyncio.set_event_loop(None)


async def _cancel_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
