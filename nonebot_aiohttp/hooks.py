"""Running the functions that users register: in order, sync or async, none stops another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from .log import log_exception

Hook = Callable[..., Any]


def hook_name(hook: Hook) -> str:
    """Name a hook as its author would find it.

    Args:
        hook: The function.

    Returns:
        Its module and its qualified name.
    """
    name = getattr(hook, "__qualname__", None)
    return f"{hook.__module__}.{name}" if name else repr(hook)


async def call_hook(hook: Hook, *args: Any) -> Any:
    """Call a hook, sync or async.

    Args:
        hook: The function. A sync one runs in the event loop: it should not block.
        *args: Its arguments.

    Returns:
        What it returned.
    """
    result = hook(*args)
    return await result if inspect.isawaitable(result) else result


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
