"""``restored_hooks``: what a test registers is not there in the next one.

Hooks outlive a test, because NoneBot keeps most of them in classes and modules: a hook of
``Bot.on_calling_api`` that answers the calls of one test answers those of all that follow. NoneBot
has no way to unregister them, so that what is restored here are the containers themselves.

The modules are not imported. What a process has not loaded has no hooks.
"""

from __future__ import annotations

import sys
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
)
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

_BOTS = ("nonebot.adapters", "nonebot_aiohttp.adapters")
_DRIVERS = ("nonebot.drivers", "nonebot_aiohttp.drivers")
"""The modules of NoneBot2 and of nonebot_aiohttp whose ``Bot`` and ``Driver`` all others derive."""

# The names on the left are private. NoneBot2 has them from 2.4 to 2.5, and nothing public in their
# place; nonebot_aiohttp has the same names where it has the same. A test on the oldest and on the
# newest NoneBot2 notices when one of them is gone. On the right is how hooks come there.
_OF_BOTS = {"_calling_api_hook": "on_calling_api", "_called_api_hook": "on_called_api"}
_OF_DRIVERS = {
    "_bot_connection_hook": "on_bot_connect",
    "_bot_disconnection_hook": "on_bot_disconnect",
}
_OF_MESSAGES = {
    "_event_preprocessors": "event_preprocessor",
    "_event_postprocessors": "event_postprocessor",
    "_run_preprocessors": "run_preprocessor",
    "_run_postprocessors": "run_postprocessor",
}
_OF_LIVES = {
    "_lifespan": {
        "_startup_funcs": "on_startup",
        "_ready_funcs": "on_ready",
        "_shutdown_funcs": "on_shutdown",
        # Those of nonebot_aiohttp.
        "_startup": "on_startup",
        "_shutdown": "on_shutdown",
    },
    # The shutdown functions of nonebot_aiohttp under NoneBot2.
    "_functions": {"_functions": "on_shutdown"},
}
"""For each attribute of a driver that keeps hooks of its life, what that has."""


@dataclass(frozen=True)
class _Place:
    """A container of hooks: where it stands, and what was in it."""

    owner: Any
    name: str
    kind: str
    container: Any
    before: tuple[Any, ...]

    def restore(self) -> None:
        """Put back what was there, in its order, also if another container stands here now."""
        _fill(self.container, self.before)
        if vars(self.owner).get(self.name) is not self.container:
            setattr(self.owner, self.name, self.container)

    def added(self) -> list[str]:
        """Describe what was not there before."""
        now = vars(self.owner).get(self.name, ())
        new = [hook for hook in now if not any(hook is old for old in self.before)]
        return [f"{self.kind} of {_title(self.owner)}: {_hook_name(hook)}" for hook in new]


class Hooks:
    """The hooks as they are when this object is made.

    Those are: of API calls, of all ``Bot`` classes that are loaded; of bots that connect and
    disconnect, of all ``Driver`` classes; NoneBot2's event and run pre- and postprocessors; and
    of one driver all, with its functions for start and stop.
    """

    def __init__(self, *bot_classes: type, driver: Any = None) -> None:
        """Note what is registered now.

        Args:
            *bot_classes: Further classes of bots, which derive from neither NoneBot2's ``Bot`` nor
                nonebot_aiohttp's. The others are found without being named.
            driver: A driver whose hooks are noted, too; None leaves drivers out.
        """
        self._places = [
            _Place(owner, name, kind, container, tuple(container))
            for owner, name, kind in _owners(bot_classes, driver)
            if (container := vars(owner).get(name)) is not None
        ]

    def added(self) -> list[str]:
        """Describe the hooks that were registered since; the list is empty if nothing was."""
        return [line for place in self._places for line in place.added()]

    def restore(self) -> None:
        """Put all hooks back: what is new is gone, and what was removed is there again."""
        for place in self._places:
            place.restore()


@contextmanager
def restored_hooks(*bot_classes: type, driver: Any = None) -> Iterator[Hooks]:
    """Put all hooks back at the end of the block, as they were at its beginning.

    An example::

        with restored_hooks():

            @Bot.on_calling_api
            async def answer(bot, api, data):
                raise MockApiException({"ok": True})

    See `Hooks` for which they are. Plugins and adapters are imported before: what a module has
    registered while it was imported within the block is gone afterwards, and Python does not import
    it again.

    Args:
        *bot_classes: Classes of bots that derive from no ``Bot`` of NoneBot2 or nonebot_aiohttp.
        driver: The driver whose hooks are put back, too, such as ``nonebot.get_driver()``; None
            leaves drivers out.
    """
    hooks = Hooks(*bot_classes, driver=driver)
    _restoring.append(hooks)
    try:
        yield hooks
    finally:
        _restoring.remove(hooks)
        hooks.restore()


_restoring: list[Hooks] = []
"""The blocks that are open."""


def are_restored() -> bool:
    """Tell whether a block of `restored_hooks` is open, which takes back what is left behind."""
    return bool(_restoring)


def _owners(bot_classes: Iterable[type], driver: Any) -> Iterator[tuple[Any, str, str]]:
    """Yield what may have containers of hooks, with the name and the kind of each."""
    bots = [each for root in [*_loaded(_BOTS, "Bot"), *bot_classes] for each in _family(root)]
    drivers = [each for root in _loaded(_DRIVERS, "Driver") for each in _family(root)]
    if driver is not None:
        drivers += [driver, *type(driver).__mro__]
        for part, names in _OF_LIVES.items():
            life = vars(driver).get(part)
            yield from _each([life] if hasattr(life, "__dict__") else [], names)
    messages = sys.modules.get("nonebot.message")
    yield from _each(bots, _OF_BOTS)
    yield from _each(drivers, _OF_DRIVERS)
    yield from _each([] if messages is None else [messages], _OF_MESSAGES)


def _each(owners: list[Any], names: Mapping[str, str]) -> Iterator[tuple[Any, str, str]]:
    for owner in dict.fromkeys(owners):
        yield from ((owner, name, kind) for name, kind in names.items())


def _loaded(modules: tuple[str, ...], name: str) -> list[type]:
    """Return a class of those modules that are loaded."""
    found = [vars(sys.modules[module]).get(name) for module in modules if module in sys.modules]
    return [each for each in found if isinstance(each, type)]


def _family(root: type) -> Iterator[type]:
    """Yield a class, the classes that it derives from, and those that derive from it."""
    yield from root.__mro__
    children: list[type] = root.__subclasses__()
    for derived in children:
        yield from _family(derived)


def _fill(container: Any, hooks: tuple[Any, ...]) -> None:
    """Make a container have these items, in this order where it keeps one."""
    if isinstance(container, MutableMapping):
        container.clear()
        container.update(dict.fromkeys(hooks))
    elif isinstance(container, MutableSet):
        container.clear()
        for hook in hooks:
            container.add(hook)
    elif isinstance(container, MutableSequence):
        container[:] = hooks


def _title(owner: Any) -> str:
    """Name a class or a module, or the class of an object."""
    if isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}"
    return getattr(owner, "__name__", type(owner).__qualname__)


def _hook_name(hook: Callable[..., Any]) -> str:
    """Name a function and where it is defined; NoneBot2 wraps most of them in a ``Dependent``."""
    function = getattr(hook, "call", hook)
    while isinstance(function, partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
