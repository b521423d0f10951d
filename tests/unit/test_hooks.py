"""The functions that users register: their names in the log, their order, their failures."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import pytest

from nonebot_aiohttp.life.hooks import call_hook, call_hooks, hook_name
from tests.support.logs import Logs
from tests.support.waiting import settle


class Callable:
    """A hook that is an object, with something to hide."""

    def __init__(self, token: str = "s3cret") -> None:
        self.token = token

    def __repr__(self) -> str:
        return f"Callable({self.token})"

    def __call__(self) -> None:
        """Do nothing."""

    def method(self) -> None:
        """Do nothing."""


def function(token: str = "") -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        (function, "function"),
        (Callable().method, "Callable.method"),
        (lambda: None, "<lambda>"),
        (Callable, "Callable"),
        (Callable(), "Callable"),
        (partial(function, "s3cret"), "function"),
        (partial(partial(Callable()), "s3cret"), "Callable"),
    ],
)
def test_a_hook_is_named_without_what_it_is_bound_to(hook: Any, name: str) -> None:
    """Trap: the repr of a partial shows its arguments, such as a bot's token."""
    assert hook_name(hook) == f"{__name__}.{name}"


@pytest.mark.promise("registry: hooks run in order, and one that fails does not stop the others")
async def test_sync_and_async_hooks_are_called_and_their_results_returned() -> None:
    """Trap: sync hooks crashed (NoneBot 2.0.0b5)."""

    async def asynchronous(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    assert await call_hook(lambda number: number + 1, 1) == 2
    assert await call_hook(asynchronous, 2) == 3
    assert await call_hook(partial(asynchronous, 3)) == 4


@pytest.mark.promise("registry: hooks run in order, and one that fails does not stop the others")
async def test_hooks_run_in_order_and_one_that_fails_stops_nobody(logs: Logs) -> None:
    order: list[str] = []

    def first(name: str) -> None:
        order.append(f"first {name}")

    async def failing(name: str) -> None:
        await asyncio.sleep(0)
        order.append(f"failing {name}")
        raise ValueError("{braces} and <red>markup</red>")

    async def last(name: str) -> None:
        order.append(f"last {name}")

    await call_hooks([first, failing, last], "bot connect", "x")
    assert order == ["first x", "failing x", "last x"]
    (record,) = logs.matching(f"The bot connect hook {hook_name(failing)} failed", "ERROR")
    assert "ValueError: {braces} and <red>markup</red>" in record.message


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot tell whose it is")
async def test_a_hook_that_waits_for_a_cancelled_task_stops_nobody(logs: Logs) -> None:
    """Trap: `task.cancel(); await task` in a shutdown hook raises `CancelledError`."""
    ran: list[str] = []

    async def stop_my_task() -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    await call_hooks([stop_my_task, lambda: ran.append("next")], "shutdown")
    assert ran == ["next"]
    assert logs.matching("stop_my_task failed", "ERROR")


async def test_the_callers_own_cancellation_ends_the_hooks() -> None:
    ran: list[str] = []

    async def waiting() -> None:
        await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(call_hooks([waiting, lambda: ran.append("next")], "shutdown"))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == []
