"""Waits that end with the stop or a timeout, and the cancellation of what they waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from ..log.own import logger
from .deadline import GRACE as CANCEL_GRACE
from .deadline import Deadline

# Tasks that did not end when they were cancelled: the event loop keeps only weak references.
_left: set[asyncio.Future[Any]] = set()


class Stopped(Exception):
    """The wait was ended because the driver stops."""


async def race(
    coroutine: Coroutine[Any, Any, Any],
    stop: asyncio.Event,
    timeout: float | None = None,
    label: str = "",
    grace: float | None = None,
    about: Mapping[str, str] | None = None,
) -> Any:
    """Wait for a coroutine until the stop or the timeout comes, and return its result.

    A result that is there in time is never lost to the stop, because what was read has to be
    handled. Otherwise the coroutine is cancelled; see ``settle``.

    Args:
        timeout: Seconds; None means no limit.
        label: Names the coroutine in the log; empty is its own name.
        grace: Seconds for the coroutine to end when it is cancelled; None is ``CANCEL_GRACE``.
        about: The extra fields of the line, by ``log.naming.about``.

    Raises:
        Stopped: The stop came first.
        asyncio.TimeoutError: The timeout came first.
        BaseException: The error that the coroutine raised.
    """
    task = asyncio.ensure_future(coroutine)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        interrupted = stopping.done()
        await settle(stopping)
        label = label or str(getattr(coroutine, "__qualname__", "A wait"))
        await settle(task, label, grace, about)
    if task.done() and not task.cancelled():
        return task.result()
    if interrupted:
        raise Stopped
    raise asyncio.TimeoutError


async def end_within(
    coroutine: Coroutine[Any, Any, Any], seconds: float, deadline: Deadline, label: str
) -> None:
    """Run a part of the stop, and cut it off with a line in the log if it takes too long.

    It runs in a task of its own, so that one that does not end when it is cancelled can be left
    behind. The error of the coroutine is raised.
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
    task: asyncio.Future[Any],
    label: str = "A task",
    grace: float | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Cancel a task unless it has ended, and wait for its end, but not for its result.

    A task that has not ended after ``grace`` seconds (None is ``CANCEL_GRACE``) is logged under its
    label and left running. ``about`` has the extra fields of that line, by ``log.naming.about``.
    """
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_GRACE if grace is None else grace)
    if task.done():
        _forget(task)
    else:
        text = "{}: left something that did not end when it was cancelled"
        logger.error(text, label, **(about or {}))
        _left.add(task)
        task.add_done_callback(_forget)


def _forget(task: asyncio.Future[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        # Retrieved, so that asyncio does not log an error that only the caller needs.
        task.exception()
