"""``Background``: an event loop in a thread of its own, for the kit's side of each connection.

So a platform serves whatever loop a test runs on (of a function, of a session, of anyio's), and it
goes on while the bot's loop is blocked.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from .owned import OwnLoop

T = TypeVar("T")

_ENDING = 10.0
"""Seconds for the thread to end; only a failure takes them."""


class Background:
    """An event loop in a thread; it runs from `start` to `stop`."""

    def __init__(self, name: str) -> None:
        """Name the thread."""
        self.loop: asyncio.AbstractEventLoop = OwnLoop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Run a coroutine on this loop; the result can be awaited on any loop."""
        if threading.current_thread() is self._thread:
            return coroutine
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def wait(self, coroutine: Coroutine[Any, Any, T], deadline: float | None = None) -> T:
        """Run a coroutine on this loop, and wait in this thread, at most `deadline` seconds."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline)

    def stop(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.wait(_cancel_the_others(), _ENDING)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_ENDING)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())


async def _cancel_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
