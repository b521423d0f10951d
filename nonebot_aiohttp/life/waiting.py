"""Waiting that a stop or a deadline interrupts, and tasks that end when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..log import logger
from .deadline import GRACE as CANCEL_GRACE
from .deadline import Deadline

# What refused to end: the event loop itself keeps no task alive.
_left: set[asyncio.Future[Any]] = set()


class Stopped(Exception):
    """The wait was interrupted because the driver stops."""


async def race(
    coroutine: Coroutine[Any, Any, Any],
    stop: asyncio.Event,
    timeout: float | None = None,
    label: str = "",
    grace: float | None = None,
) -> Any:
    """Wait for a coroutine, but no longer than until the stop or the deadline.

    A result that was there in time is never lost to the stop: what was read is handled. Then the
    coroutine is cancelled, and left alone if it has not ended after its grace.

    Args:
        coroutine: What to wait for.
        stop: Interrupts the wait when set.
        timeout: Seconds to wait at most; None is no limit.
        label: Whose it is, for the log; empty is the coroutine's own name.
        grace: Seconds that it gets to end when it is cancelled; None is ``CANCEL_GRACE``.

    Returns:
        What the coroutine returned.

    Raises:
        Stopped: The stop came first.
        asyncio.TimeoutError: The deadline came first.
        BaseException: What the coroutine raised.
    """
    task = asyncio.ensure_future(coroutine)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        interrupted = stopping.done()
        await settle(stopping)
        await settle(task, label or str(getattr(coroutine, "__qualname__", "A wait")), grace)
    if task.done() and not task.cancelled():
        return task.result()
    if interrupted:
        raise Stopped
    raise asyncio.TimeoutError


async def end_within(
    coroutine: Coroutine[Any, Any, Any], seconds: float, deadline: Deadline, label: str
) -> None:
    """Run what belongs to the stop, and cut it off, with a line in the log, if it takes too long.

    It runs in a task of its own: one that refuses to be cancelled is left alone.

    Args:
        coroutine: What to run.
        seconds: How long it may take.
        deadline: That of the stop; hears of what is cut off.
        label: What it is, for the log.

    Raises:
        BaseException: What the coroutine raised.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            deadline.all_ended = False
            logger.error("Cut off {} that had not ended", label)
        with deadline.grace() as grace:
            await settle(task, label, grace)
    if task.done() and not task.cancelled():
        task.result()


async def settle(
    task: asyncio.Future[Any], label: str = "A task", grace: float | None = None
) -> None:
    """Cancel a task unless it has ended, and wait for its end, whatever that is.

    One that does not end in time is logged and left alone.

    Args:
        task: The task.
        label: Whose it is, for the log.
        grace: Seconds to wait for one that does not end at once when cancelled; None is
            ``CANCEL_GRACE``.
    """
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_GRACE if grace is None else grace)
    if task.done():
        _take_note(task)
    else:
        logger.error("{}: left something that did not end when it was cancelled", label)
        _left.add(task)
        task.add_done_callback(_take_note)


def _take_note(task: asyncio.Future[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        # Whoever wants the error asks the task; nobody else needs to hear of it.
        task.exception()
