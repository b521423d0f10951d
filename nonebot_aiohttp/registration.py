"""What is wrong with an adapter or a hook, said when it is registered, at the user's own line.

Only what is certain is an error. A decorator may change what a function takes and returns, and
what cannot be seen through passes. The functions return the error's text instead of raising it, so
that the traceback ends in the method that the user has called.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from urllib.parse import unquote

from .life.hooks import hook_name

_NEEDED = ("check_permission", "handle_message", "register")
"""What a driver calls of an adapter, which need not be a subclass of this package's ``Bot``."""

_AWAITED = ("_call_api", "check_permission", "handle_message")
"""What is awaited of an adapter; ``send`` is called by users only."""

_CONSTANTS = {
    "BUILD_LIST",
    "BUILD_MAP",
    "BUILD_STRING",
    "BUILD_TUPLE",
    "LOAD_CONST",
    "LOAD_SMALL_INT",
}
"""Instructions that make what nobody can await."""


def name_problem(name: Any) -> str | None:
    """Tell why no path can lead to an adapter of that name (``/{name}/ws``); None if one can."""
    if not isinstance(name, str):
        return f"The name of an adapter must be text, not {type_name(name)}"
    if not name:
        reason = "it is empty, and no part of a path is; write one, as my in /my/ws"
    elif "/" in name:
        reason = "it has a slash, which separates the parts of a path; leave it out"
    elif name in (".", ".."):
        reason = "clients take it out of paths; write another one, as my in /my/ws"
    elif unquote(name) != name:
        reason = "it is percent-encoded, but paths are decoded; write it decoded"
    elif not name.isprintable():
        reason = "it has characters that cannot be printed; leave them out"
    else:
        return None
    return f"{repr(name)[:80]} cannot be the name of an adapter: {reason}"


def adapter_problem(name: Any, adapter: Any, arguments: dict[str, Any]) -> str | None:
    """Tell why an adapter cannot be registered; None if it can.

    Args:
        name: The name under which it is registered.
        adapter: What should be its class.
        arguments: The further arguments of ``adapter.register``.
    """
    if isinstance(name, type) and isinstance(adapter, str):
        right = f'register_adapter("{adapter}", {class_name(name)})'
        return f"The name of an adapter comes before its class: write {right}"
    if not isinstance(adapter, type):
        return _not_a_class(adapter)
    problem = "; ".join(_class_problems(adapter, arguments))
    if problem:
        return f"{class_name(adapter)} cannot be an adapter: {problem}"
    return name_problem(name)


def class_name(cls: type) -> str:
    """Return the module and the qualified name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def hook_problem(where: str, hook: Any, *parameters: str) -> str | None:
    """Tell why a function cannot be a hook; None if it can.

    Args:
        where: The method with which it is registered, such as ``"on_startup"``.
        hook: What should be a function.
        parameters: The names of what it is called with.
    """
    if inspect.iscoroutine(hook):
        # It would warn later that nobody has awaited it.
        hook.close()
        name = hook.__name__
        return f"{where} takes the function itself: pass {name}, not {name}()"
    if not callable(hook):
        return f"{where} takes a function, not {type_name(hook)}"
    name = hook_name(hook)
    if _has_yield(_unwrapped(hook)):
        return f"{name} cannot be a hook of {where}: it has a yield, so a call runs none of it"
    if _takes(hook, *parameters):
        return None
    call = f"{name.rpartition('.')[2]}({', '.join(parameters)})"
    takes = _names_in(hook)
    return f"{name} cannot be a hook of {where}: it is called as {call}, but takes ({takes})"


def _not_a_class(adapter: Any) -> str:
    if isinstance(adapter, ModuleType):
        return f"An adapter is a class, not a module: pass {adapter.__name__}.Bot, for example"
    if all(hasattr(type(adapter), name) for name in _NEEDED):
        return f"An adapter is a class: pass {class_name(type(adapter))} itself, not an instance"
    return f"An adapter is a class, not {type_name(adapter)}"


def _class_problems(adapter: Any, arguments: dict[str, Any]) -> Iterator[str]:
    foreign = [name for name in _NEEDED if not hasattr(adapter, name)]
    if foreign:
        yield f"it lacks {', '.join(foreign)}: derive it from nonebot_aiohttp.Bot"
        return
    lacking = sorted(getattr(adapter, "__abstractmethods__", ()))
    if lacking:
        yield f"it lacks {', '.join(lacking)}"
    for name in _AWAITED:
        method = getattr(adapter, name, None)
        if name not in lacking and method is not None and _is_never_awaitable(method):
            yield f"its {name} must be async (async def {name})"
    if "check_permission" not in lacking:
        yield from _parameter_problems(adapter, "check_permission", "driver", "request")
    yield from _parameter_problems(adapter, "register", "driver", "config", **arguments)
    if inspect.iscoroutinefunction(adapter.register):
        yield (
            "its register must not be async: nobody awaits it; use driver.on_startup for what waits"
        )
    if "handle_message" not in lacking:
        yield from _message_problems(adapter)
    if not _takes(adapter.__init__, "self", "self_id", "request"):
        takes = _names_in(adapter.__init__)
        yield f"its __init__ must take (self, self_id, request), not ({takes})"


def _parameter_problems(
    adapter: type, name: str, *parameters: str, **arguments: Any
) -> Iterator[str]:
    """Find what keeps the driver from calling ``adapter.name`` with these parameters."""
    method = getattr(adapter, name)
    if not callable(method):
        yield f"its {name} must be a method, not {type_name(method)}"
    elif not _takes(method, *parameters, **arguments):
        is_function = isinstance(inspect.getattr_static(adapter, name), FunctionType)
        is_method = parameters[0] == "self"
        if is_function and not is_method and _takes(method, "cls", *parameters, **arguments):
            yield f"its {name} lacks @classmethod"
        else:
            wanted = ", ".join([*parameters, *arguments])
            yield f"its {name} is called with ({wanted}), but takes ({_names_in(method)})"


def _message_problems(adapter: Any) -> Iterator[str]:
    """Find what keeps the driver from calling ``bot.handle_message(message)``."""
    found = inspect.getattr_static(adapter, "handle_message")
    # Only of these it is certain what the bot itself adds.
    if isinstance(found, FunctionType):
        yield from _parameter_problems(adapter, "handle_message", "self", "message")
    elif isinstance(found, (classmethod, staticmethod)) or not (
        callable(adapter.handle_message) or hasattr(found, "__get__")
    ):
        yield from _parameter_problems(adapter, "handle_message", "message")


def _takes(function: Callable[..., Any], *parameters: Any, **arguments: Any) -> bool:
    """Tell whether a function can be called so; it counts as callable if that cannot be seen."""
    signature = signature_of(function)
    if signature is None:
        return True
    try:
        signature.bind(*parameters, **arguments)
    except TypeError:
        return False
    return True


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return what a call of a function takes; None if that cannot be seen."""
    try:
        # A decorator's own signature counts, because it may supply arguments to what it wraps.
        return inspect.signature(function, follow_wrapped=False)
    except Exception:
        # Builtins may have none, and objects may fail in any way.
        return None


def _names_in(function: Callable[..., Any]) -> str:
    """List what a function takes, by names alone: defaults may be secrets."""
    signature = signature_of(function)
    assert signature is not None
    empty = inspect.Parameter.empty
    names = [
        each.replace(default=empty, annotation=empty) for each in signature.parameters.values()
    ]
    return str(inspect.Signature(names))[1:-1]


def type_name(value: Any) -> str:
    """Name the type of a value in an error, but None by itself."""
    return "None" if value is None else type(value).__name__


def _is_never_awaitable(function: Any) -> bool:
    """Tell whether a call certainly gives nothing that can be awaited.

    A plain ``def`` may return an awaitable: it may be a decorator's, or hand on to another
    function. It certainly does not if it returns constants and tuples only.
    """
    function = _unwrapped(function)
    if not isinstance(function, FunctionType) or inspect.iscoroutinefunction(function):
        return False
    if function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return False
    return _has_yield(function) or _returns_constants(function.__code__)


def _unwrapped(function: Any) -> Any:
    """Return what a method or a ``functools.partial`` calls."""
    while isinstance(function, (partial, MethodType)):
        function = function.func if isinstance(function, partial) else function.__func__
    return function


def _has_yield(function: Any) -> bool:
    """Tell whether a call makes a generator, and runs nothing."""
    flags = function.__code__.co_flags if isinstance(function, FunctionType) else 0
    is_generator = bool(flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))
    return is_generator and not flags & inspect.CO_ITERABLE_COROUTINE


def _returns_constants(code: CodeType) -> bool:
    """Tell whether code returns, and only what is made right before the return."""
    returns, before = False, ""
    for each in dis.get_instructions(code):
        if each.opname == "RETURN_VALUE" and (each.is_jump_target or before not in _CONSTANTS):
            return False
        returns = returns or each.opname.startswith("RETURN_")
        before = each.opname
    return returns
