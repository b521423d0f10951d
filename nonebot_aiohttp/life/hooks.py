"""Running the functions that users register: in order, sync or async, none stops another."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..log import log_exception

Hook = Callable[..., Any]


def hook_name(hook: Hook) -> str:
    """Name a hook as its author would find it.

    Args:
        hook: The function.

    Returns:
        Its module and its qualified name; those of its class if it is an object. Never its
        ``repr``, which may show what it was bound to, such as a token.
    """
    while isinstance(hook, partial):
        hook = hook.func
    named: Any = hook if hasattr(hook, "__qualname__") else type(hook)
    return f"{named.__module__}.{named.__qualname__}"


async def call_hook(hook: Hook, *args: Any) -> Any:
    """Call a hook, sync or async.

    Args:
        hook: The function. A sync one runs in the event loop: it should not block.
        *args: Its arguments.

    Returns:
        What it returned.

    Raises:
        RuntimeError: It waited for a task that was cancelled: no reason to end the caller, too.
        Exception: What it raised.
    """
    try:
        result = hook(*args)
        return await result if inspect.isawaitable(result) else result
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            raise
        raise RuntimeError("it waited for something that was cancelled") from error


def _is_being_cancelled() -> bool:
    """Tell whether the running task is to end, rather than one that it waits for."""
    cancelling = getattr(asyncio.current_task(), "cancelling", None)
    # Python 3.10 cannot tell, so that there it is taken for a cancellation of this task.
    return cancelling is None or cancelling() > 0


async def call_hooks(hooks: Iterable[Hook], kind: str, *args: Any) -> None:
    """Call hooks one after the other; one that fails is logged with its name.

    Args:
        hooks: The functions, in their order.
        kind: What they are, for the log: ``"shutdown"``.
        *args: Their arguments.
    """
    for hook in hooks:
        try:
            await call_hook(hook, *args)
        except Exception as error:
            log_exception("ERROR", f"The {kind} hook {hook_name(hook)} failed", error)
