"""What the kit restores of hooks: those of this package's contract, and of classes like them.

tests/compat/today/test_kit_hooks.py has those of NoneBot2.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, ClassVar

import pytest

from nonebot_aiohttp import Bot, Driver, MockApiException
from nonebot_aiohttp.testing.bots.hooks import restored_hooks
from tests.support.bots import Adapter, make_driver, new_adapter, running


async def test_a_hook_that_answers_calls_answers_none_of_the_next_test() -> None:
    adapter = new_adapter()

    def answer(*_: Any) -> None:
        raise MockApiException("mocked")

    recorder = f"{adapter.__module__}.Recorder"

    async def stays(*_: Any) -> None:
        """Is registered before, and after."""

    adapter.on_calling_api(stays)
    with restored_hooks() as hooks:
        adapter.on_calling_api(answer)
        adapter.on_called_api(stays)
        Bot.on_called_api(answer)
        assert hooks.added() == [
            f"on_called_api of nonebot_aiohttp.adapters.Bot: {__name__}.{answer.__qualname__}",
            f"on_calling_api of {recorder}: {__name__}.{answer.__qualname__}",
            f"on_called_api of {recorder}: {__name__}.{stays.__qualname__}",
        ]
    assert hooks.added() == []
    assert list(adapter._hooks("_calling_api_hook")) == [stays]
    assert list(adapter._hooks("_called_api_hook")) == []


def test_hooks_are_restored_when_the_block_fails() -> None:
    adapter = new_adapter()
    block = restored_hooks()
    block.__enter__()
    adapter.on_calling_api(_noted)
    assert not block.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert not adapter._calling_api_hook


async def _noted(*_: Any) -> None: ...


def test_what_was_removed_is_there_again_in_its_order() -> None:
    adapter = new_adapter()
    first, second = partial(_noted, 1), partial(_noted, 2)
    adapter.on_calling_api(first)
    adapter.on_calling_api(second)
    with restored_hooks():
        adapter.remove_api_hook(first)
        adapter.on_calling_api(first)
        assert [*adapter._calling_api_hook] == [second, first]
    assert [*adapter._calling_api_hook] == [first, second]


def test_a_container_that_was_replaced_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = new_adapter()
    container = adapter._calling_api_hook
    with restored_hooks():
        monkeypatch.setattr(adapter, "_calling_api_hook", {_noted: None})
    assert adapter._calling_api_hook is container
    assert container == {}


WAYS: dict[str, Callable[[Driver, Any], Any]] = {
    "on_startup": lambda driver, hook: driver.on_startup(hook),
    "on_shutdown": lambda driver, hook: driver.on_shutdown(hook),
    "on_bot_connect": lambda driver, hook: driver.on_bot_connect(hook),
    "on_bot_disconnect": lambda driver, hook: driver.on_bot_disconnect(hook),
}


@pytest.mark.parametrize("kind", sorted(WAYS))
def test_hooks_of_a_driver_are_restored_if_it_is_passed(kind: str) -> None:
    driver = make_driver()
    with restored_hooks(driver=driver) as hooks:
        WAYS[kind](driver, _noted)
        WAYS[kind](make_driver(), _noted)
        (added,) = hooks.added()
        assert added.startswith(f"{kind} of ")
        assert added.endswith(f": {__name__}._noted")
    assert hooks.added() == []


async def test_a_restored_driver_runs_only_what_it_had() -> None:
    ran: list[str] = []
    async with running() as driver:
        pass
    driver.on_startup(lambda: ran.append("before"))
    with restored_hooks(driver=driver):
        driver.on_startup(lambda: ran.append("within"))
        driver.on_shutdown(lambda: ran.append("within, too"))
    async with driver.lifespan():
        pass
    assert ran == ["before"]


class Foreign:
    """A class of bots that derives from no known one, as other frameworks may have them."""

    _calling_api_hook: ClassVar[set[Any]] = set()


def test_other_classes_are_restored_if_they_are_passed() -> None:
    for classes, left in (((), {_noted}), ((Foreign,), set())):
        Foreign._calling_api_hook.clear()
        with restored_hooks(*classes):
            Foreign._calling_api_hook.add(_noted)
        assert Foreign._calling_api_hook == left


def test_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nonebot.adapters", "nonebot.drivers", "nonebot.message"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    before = set(sys.modules)
    with restored_hooks():
        pass
    assert set(sys.modules) == before


def test_modules_of_other_versions_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may lack what is looked for, or have something else under its name."""
    old = ModuleType("nonebot.adapters")
    vars(old)["Bot"] = "not a class"
    monkeypatch.setitem(sys.modules, "nonebot.adapters", old)
    monkeypatch.setitem(sys.modules, "nonebot.message", ModuleType("nonebot.message"))
    with restored_hooks() as hooks:
        assert hooks.added() == []


def test_an_object_is_named_by_its_class() -> None:
    class Counting:
        """A hook that is an object, whose text may show a secret."""

        def __repr__(self) -> str:
            return "p4ssw0rd"

        def __call__(self, *_: Any) -> None: ...

    adapter: Adapter = new_adapter()
    with restored_hooks() as hooks:
        adapter.on_calling_api(partial(Counting()))
        (added,) = hooks.added()
    assert added.endswith(f".{Counting.__qualname__}")
