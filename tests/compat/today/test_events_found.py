"""Events wherever an adapter handles them: in a queue, within its reader, until its shutdown.

The adapter here is small, so that each test shows one way; ``test_events`` has real ones.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import nonebot.message
import pytest
from nonebot.adapters import Adapter, Bot

from nonebot_aiohttp.nonebot2 import events
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver


class SmallAdapter(Adapter):
    """An adapter with one bot, whose events are numbers."""

    @classmethod
    def get_name(cls) -> str:
        return "Small"

    async def _call_api(self, bot: Bot, api: str, **data: Any) -> Any:
        """Call nothing."""


class SmallBot(Bot):
    """Handles events as a platform's bot does, but for the matchers."""

    handled: list[Any]

    async def handle_event(self, event: Any) -> None:
        """Take a while, in a task group whose tasks are shielded, as NoneBot does."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._match, event)

    async def _match(self, event: Any) -> None:
        with anyio.CancelScope(shield=True):
            await (asyncio.Event().wait() if event == "hang" else asyncio.sleep(0.05))
        self.handled.append(event)

    async def send(self, event: Any, message: Any, **kwargs: Any) -> Any:
        """Send nothing."""


def small_bot(**settings: Any) -> tuple[Any, SmallBot]:
    """Make a driver, and a bot of its adapter."""
    driver = make_driver(Candidate(OURS), **settings)
    bot = SmallBot(SmallAdapter(driver), "7")
    bot.handled = []
    return driver, bot


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_events_that_an_adapter_takes_from_a_queue() -> None:
    driver, bot = small_bot()
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        while True:
            event = await queue.get()
            await asyncio.sleep(0.05)
            await bot.handle_event(event)

    async with driver.lifespan():
        working = asyncio.create_task(work())
        driver.on_shutdown(working.cancel)
        for number in range(5):
            queue.put_nowait(number)
        await eventually(lambda: bot.handled, what="the first event")
    assert bot.handled == [0, 1, 2, 3, 4]


async def test_a_task_of_its_own_that_has_not_begun_yet() -> None:
    driver, bot = small_bot()

    async def prepare() -> None:
        await bot.handle_event(1)

    async with driver.lifespan():
        task = asyncio.create_task(prepare())
        driver.on_shutdown(task.cancel)
    assert bot.handled == [1]


async def test_events_that_are_polled_while_shutdown_functions_run(logs: Logs) -> None:
    driver, bot = small_bot()
    tasks: set[asyncio.Task[None]] = set()

    @driver.on_shutdown  # type: ignore[untyped-decorator]
    def cancel() -> None:
        for task in tasks:
            task.get_loop().call_soon_threadsafe(task.cancel)

    @driver.on_shutdown  # type: ignore[untyped-decorator]
    async def save() -> None:
        tasks.add(asyncio.create_task(bot.handle_event("late")))

    async with driver.lifespan():
        await asyncio.sleep(0)
    assert bot.handled == ["late"]
    assert logs.messages("ERROR") == []


@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
async def test_shielded_matchers_are_cut_off(logs: Logs) -> None:
    driver, bot = small_bot(aiohttp_drain_timeout=0.1)
    async with driver.lifespan():
        task = asyncio.create_task(bot.handle_event("hang"))
        await asyncio.sleep(0)
    await within(asyncio.wait({task}))
    assert task.cancelled()
    assert logs.messages("ERROR") == ["Cut off 1 event(s) of bot 7 of Small that had not ended"]


async def test_an_event_of_nonebots_own_function_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that make events of their own call it."""
    driver, bot = small_bot(aiohttp_drain_timeout=0.1)
    entered, cut_off = asyncio.Event(), asyncio.Event()

    async def preprocess(**_: Any) -> bool:
        entered.set()
        try:
            return bool(await asyncio.Event().wait())
        finally:
            cut_off.set()

    monkeypatch.setattr(nonebot.message, "_apply_event_preprocessors", preprocess)
    event: Any = type("Quiet", (), {"get_log_string": lambda _: "an event"})()
    async with driver.lifespan():
        task = asyncio.create_task(nonebot.message.handle_event(bot, event))
        await within(entered.wait())
    assert cut_off.is_set()
    assert task.done()


# Shutdown functions


async def test_what_a_startup_function_has_entered_is_left_in_a_shutdown_function() -> None:
    """A scope that was entered before cannot be left within another one."""
    driver, _ = small_bot()
    steps: list[str] = []
    group = anyio.create_task_group()

    async def stay() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("left")

    @driver.on_startup  # type: ignore[untyped-decorator]
    async def enter() -> None:
        await group.__aenter__()
        group.start_soon(stay)

    @driver.on_shutdown  # type: ignore[untyped-decorator]
    async def leave() -> None:
        group.cancel_scope.cancel()
        await group.__aexit__(None, None, None)
        steps.append("in order")

    life = driver.lifespan()
    await life.__aenter__()
    await asyncio.sleep(0)
    await life.__aexit__(None, None, None)
    assert steps == ["left", "in order"]


@pytest.mark.promise("life: a hook that hangs does not skip those behind it")
@pytest.mark.parametrize("how", ["hangs", "shields itself", "refuses"])
async def test_a_function_that_does_not_end_skips_no_other_and_is_named(
    how: str, logs: Logs
) -> None:
    driver, _ = small_bot(aiohttp_drain_timeout=0, aiohttp_close_timeout=1)
    behind, released = [], asyncio.Event()

    @driver.on_shutdown  # type: ignore[untyped-decorator]
    async def last() -> None:
        behind.append("ran")

    @driver.on_shutdown  # type: ignore[untyped-decorator]
    async def stubborn() -> None:
        with anyio.CancelScope(shield=how == "shields itself"):
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    if how != "refuses":
                        raise

    life = driver.lifespan()
    await life.__aenter__()
    await within(life.__aexit__(None, None, None))
    assert behind == ["ran"]
    assert "stubborn that had not ended" in logs.messages("ERROR")[0]
    released.set()
    await eventually(lambda: len(asyncio.all_tasks()) == 1, what="the end of what was left")


async def test_nobody_waits_for_the_count_of_thousands_of_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MANY", -1)
    driver, bot = small_bot(aiohttp_drain_timeout=0.1)
    async with driver.lifespan():
        task = asyncio.create_task(bot.handle_event("hang"))
        work = driver._operations.observer._parts.events
        await within(work.recount())
        assert work.in_flight() == 0
        await eventually(lambda: work._counting is None, what="the end of the count")
        assert work.in_flight() == 1
    assert task.done()


async def test_the_count_of_thousands_of_tasks_does_not_outlive_the_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"MANY": -1, "TASKS_A_TURN": 1, "PAUSE": 3600.0}.items():
        monkeypatch.setattr(events, name, value)
    driver, _ = small_bot(aiohttp_drain_timeout=0.1)
    async with driver.lifespan():
        work = driver._operations.observer._parts.events
        await work.recount()
        counting = work._counting
    await eventually(counting.done, what="the end of the count")


async def test_few_tasks_are_counted_before_the_answer() -> None:
    driver, bot = small_bot(aiohttp_drain_timeout=0.1)
    async with driver.lifespan():
        task = asyncio.create_task(bot.handle_event("hang"))
        work = driver._operations.observer._parts.events
        await asyncio.sleep(0)
        await work.recount()
        assert work._counting is None
        assert work.in_flight() == 1
    assert task.done()
