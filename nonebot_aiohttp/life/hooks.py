"""Hooks are functions that users register; they run in order, and a failure stops no other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..log import log_exception
from ..log.naming import about

Hook = Callable[..., Any]


def hook_name(hook: Hook) -> str:
    """Return the module and the qualified name of a hook, or of its class if it is an object.

    The ``repr`` is never in it, because that may show a value that the hook is bound to: a token.
    """
    while isinstance(hook, partial):
        hook = hook.func
    named: Any = hook if hasattr(hook, "__qualname__") else type(hook)
    return f"{named.__module__}.{named.__qualname__}"


async def call_hook(hook: Hook, *args: Any) -> Any:
    """Call a sync or async hook and return its result; a sync one runs in the event loop.

    Raises:
        RuntimeError: The hook waited for a task that was cancelled, which must not end the caller.
        Exception: The error that the hook raised.
    """
    try:
        result = hook(*args)
        return await result if inspect.isawaitable(result) else result
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            raise
        raise RuntimeError("it waited for something that was cancelled") from error


def _is_being_cancelled() -> bool:
    """Return whether the current task itself is being cancelled, not one that it waits for."""
    cancelling = getattr(asyncio.current_task(), "cancelling", None)
    # Task.cancelling() came with Python 3.11. On 3.10 a cancellation counts as one of this task.
    return cancelling is None or cancelling() > 0


_TASK_NAME = "hook "


def running_hook(task: asyncio.Task[Any]) -> str:
    """Return the name of the hook that ``call_hooks`` runs in a task; empty if it runs no hook."""
    name = task.get_name()
    return name.removeprefix(_TASK_NAME) if name.startswith(_TASK_NAME) else ""


async def call_hooks(
    hooks: Iterable[Hook], kind: str, *args: Any, adapter: str = "", bot: Any = None
) -> int:
    """Call hooks one after the other, log each failure, and return how many there were.

    For the log ``kind`` is such as ``"shutdown"``. ``adapter`` is the adapter's name and ``bot``
    the id of the bot, where the hooks are about one.
    """
    task, failures = asyncio.current_task(), 0
    for hook in hooks:
        if task is not None:
            # So that a hook that is cut off can be named.
            task.set_name(_TASK_NAME + hook_name(hook))
        try:
            await call_hook(hook, *args)
        except Exception as error:
            text = f"The {kind} hook {hook_name(hook)} failed"
            log_exception("ERROR", text, error, **about(adapter, bot))
            failures += 1
    return failures
