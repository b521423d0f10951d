"""The code that all subjects share: the count of events, tasks, and measuring of calls."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..control import Control, Tally
from ..event import API_ANSWER, COUNT_REQUEST

COUNT_REQUEST_BYTES = COUNT_REQUEST.encode()
tally = Tally()
tasks: set[asyncio.Task[None]] = set()

if sys.version_info >= (3, 12):

    def start_eagerly(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]
    ) -> None:
        """Run a coroutine up to its first wait, and keep its task alive if it has not ended."""
        task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        if not task.done():
            tasks.add(task)
            task.add_done_callback(tasks.discard)

else:

    def start_eagerly(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]
    ) -> None:
        """Start a task and keep it alive, because this Python has no eager tasks."""
        task = loop.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def start_as_adapters_do(coroutine: Coroutine[Any, Any, None]) -> None:
    """Start a task as NoneBot2's adapters do."""
    task = asyncio.create_task(coroutine)
    task.add_done_callback(tasks.discard)
    tasks.add(task)


async def handle_event(_body: bytes) -> None:
    """Handle a webhook's event: count it."""
    tally.handled += 1


async def handle_bytes(send: Callable[[str], Awaitable[Any]], message: bytes) -> None:
    """Handle a WebSocket message: count it, and answer the question for the count."""
    tally.handled += 1
    if message == COUNT_REQUEST_BYTES:
        await send(str(tally.handled))


async def handle_text(send: Callable[[str], Awaitable[Any]], message: str | bytes) -> None:
    """Handle a WebSocket message that came decoded."""
    tally.handled += 1
    if message == COUNT_REQUEST:
        await send(str(tally.handled))


async def measure_calls(
    control: Control,
    call: Callable[[], Awaitable[bytes | None]],
    at_once: int,
    warmup: float,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Call an API again and again, and tell the runner how many calls succeeded.

    Args:
        control: The connection to the runner.
        call: Makes one call and returns the answer's body.
        at_once: How many calls are in flight at the same time.
        warmup: Seconds of calls that do not count.
        seconds: Seconds of calls that count.
        clock: Gives the seconds that the runner is told.
    """
    await _call_for(call, at_once, warmup)
    started = clock()
    outcomes = await _call_for(call, at_once, seconds)
    elapsed = clock() - started
    result = {"requests": len(outcomes), "seconds": elapsed, "errors": outcomes.count(False)}
    control.say(result=result)


async def _call_for(
    call: Callable[[], Awaitable[bytes | None]], at_once: int, seconds: float
) -> list[bool]:
    deadline = time.perf_counter() + seconds
    outcomes: list[bool] = []

    async def work() -> None:
        while time.perf_counter() < deadline:
            outcomes.append(await call() == API_ANSWER)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return outcomes
