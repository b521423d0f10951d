"""Waits for a condition, without a literal sleep in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds until a wait fails: far above what a loaded machine needs; only failures take it."""

_EAGER_TURNS = 200
_PAUSE = 0.002


async def settle(turns: int = 20) -> None:
    """Let every callback run that is ready, and the callbacks that these make ready."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def eventually(
    predicate: Callable[[], T], timeout: float = DEADLINE, what: str = "the condition"
) -> T:
    """Return the value of the predicate as soon as it is true; each turn of the loop asks."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    turn = 0
    while not (value := predicate()):
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        # Spinning notices a local event soonest, but would starve a child process if it went on.
        await asyncio.sleep(0 if turn < _EAGER_TURNS else _PAUSE)
        turn += 1
    return value


async def within(awaitable: Awaitable[T], timeout: float | None = DEADLINE) -> T:
    """Return the awaitable's result; fail after `timeout` seconds, unless that is None."""
    try:
        return await asyncio.wait_for(awaitable, timeout)
    except asyncio.TimeoutError as error:
        raise AssertionError(f"nothing came within {timeout} s") from error


@contextmanager
def passes() -> Iterator[list[int]]:
    """Count the iterations of the event loop, in the only item of a list."""
    counted, counting = [0], True
    loop = asyncio.get_running_loop()

    def count() -> None:
        if counting:
            counted[0] += 1
            loop.call_soon(count)

    loop.call_soon(count)
    try:
        yield counted
    finally:
        counting = False
