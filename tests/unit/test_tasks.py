"""Tasks of handlers: each is kept, each failure is logged, and waits end when they have to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp.connections.message_tasks import MessageTasks
from nonebot_aiohttp.life import tasks
from nonebot_aiohttp.life.tasks import TaskSet
from nonebot_aiohttp.life.waiting import Stopped, _left, race
from tests.support.coroutines import Waiting, fail
from tests.support.logs import Logs
from tests.support.waiting import eventually, within
from tests.support.waiting import settle as turns


@pytest.fixture(params=[True, False], ids=["eager", "lazy"])
def eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Start tasks eagerly, where Python can, and as older ones do."""
    monkeypatch.setattr(tasks, "EAGER", request.param and tasks.EAGER)
    return tasks.EAGER


STARTS: dict[str, Callable[[TaskSet, Any, Any], Any]] = {
    "set": lambda handlers, begin, item: handlers.start(begin(item), "onebot"),
    "messages": lambda handlers, begin, item: MessageTasks(handlers, begin, "onebot").start(item),
}


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> Callable[[TaskSet, Any, Any], Any]:
    """Start a task both ways: in a set, and for a message of a connection."""
    return STARTS[request.param]


# What is started


async def test_a_task_is_kept_until_it_ends(eager: bool, start: Any) -> None:
    handlers, waiting = TaskSet("handler"), Waiting()
    for stubborn in (False, True):
        start(handlers, waiting.run, stubborn)
    await turns()
    gc.collect()
    assert len(handlers) == 2
    waiting.released.set()
    await eventually(lambda: not len(handlers))
    assert waiting.ends == ["released"] * 2


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_a_handler_that_does_not_wait_ends_within_the_start(start: Any) -> None:
    handlers, items = TaskSet("handler"), list[int]()

    async def take(item: int) -> None:
        items.append(item)

    assert start(handlers, take, 1) is None
    assert items == [1]
    assert len(handlers) == 0


@pytest.mark.parametrize("wait", [False, True])
async def test_a_handler_that_fails_is_logged_with_its_owner(
    eager: bool, start: Any, wait: bool, logs: Logs
) -> None:
    handlers = TaskSet("handler")
    start(handlers, lambda error: fail(error, wait), ValueError("{wrong}"))
    await eventually(lambda: logs)
    (record,) = logs.matching("A handler of onebot failed", "ERROR")
    assert "Traceback" in record.message
    assert "ValueError: {wrong}" in record.message
    assert len(handlers) == 0


@pytest.mark.parametrize("wait", [False, True])
async def test_a_failure_names_the_bot_and_is_counted_for_all_bots(
    eager: bool, wait: bool, logs: Logs
) -> None:
    handlers = TaskSet("handler")
    for self_id in ("7", "8"):
        bot = SimpleNamespace(self_id=self_id, request=None)
        handlers.start(fail(ValueError("wrong"), wait), "onebot", bot)
    await eventually(lambda: logs)
    await turns()
    (error,) = logs.messages("ERROR")
    assert error.startswith("A handler of bot 7 of onebot failed\n")
    handlers.end_stop()
    (counted,) = logs.messages("WARNING")
    assert counted.startswith("A handler of onebot failed 1 more time(s), at last with ValueError")


async def test_a_handler_that_cannot_start_is_logged(logs: Logs) -> None:
    def begin(_: object) -> Any:
        raise TypeError("none")

    MessageTasks(TaskSet("handler"), begin, "onebot").start(b"event")
    (record,) = logs.matching("A handler of onebot could not start", "ERROR")
    assert "TypeError: none" in record.message


async def test_a_handler_that_is_cancelled_from_within_is_heard_of(
    eager: bool, start: Any, logs: Logs
) -> None:
    """An adapter that cancels the futures of its API calls ends the handlers that wait for them."""
    handlers = TaskSet("handler")
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(_: object) -> None:
        await answer

    start(handlers, handle, b"event")
    await turns()
    answer.cancel()
    await eventually(lambda: logs)
    assert logs.messages("ERROR") == ["A handler of onebot was cancelled, but not by the driver"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_a_handler_that_ends_the_process_is_named(start: Any, logs: Logs) -> None:
    """The error leaves an eager task through its caller, so that it cannot be logged later."""
    with pytest.raises(SystemExit):
        start(TaskSet("handler"), fail, SystemExit(1))
    assert logs.messages("ERROR") == ["Cut off 1 handler(s) of onebot that had not ended"]


def test_a_set_serves_one_event_loop_after_the_other(eager: bool, start: Any) -> None:
    handlers, loops = TaskSet("handler"), list[asyncio.AbstractEventLoop]()

    async def note(_: object) -> None:
        loops.append(asyncio.get_running_loop())

    async def start_one() -> None:
        start(handlers, note, b"event")
        await turns()

    asyncio.run(start_one())
    asyncio.run(start_one())
    assert loops[0] is not loops[1]


# TaskSet


async def test_a_task_that_has_ended_already_can_be_added() -> None:
    handlers = TaskSet("handler")
    task = asyncio.ensure_future(asyncio.sleep(0))
    await task
    handlers.add(task, "onebot")
    assert len(handlers) == 0


async def test_a_task_that_has_entered_is_kept_until_it_leaves() -> None:
    handlers, waiting = TaskSet("handler"), Waiting()
    task = asyncio.create_task(serve(handlers, waiting))
    await turns()
    assert list(handlers) == [task]
    waiting.released.set()
    await task
    assert len(handlers) == 0


async def test_a_task_may_enter_once_more_and_stays_until_it_leaves_the_first_time() -> None:
    handlers = TaskSet("handler")
    first = handlers.track_current("onebot")
    second = handlers.track_current("telegram")
    handlers.untrack(second)
    assert list(handlers) == [asyncio.current_task()]
    handlers.untrack(first)
    assert len(handlers) == 0


async def test_a_task_that_has_entered_is_cut_off_like_the_others(logs: Logs) -> None:
    handlers, waiting = TaskSet("handler"), Waiting()
    task = asyncio.create_task(serve(handlers, waiting))
    await turns()
    await handlers.cancel()
    assert waiting.ends == ["cancelled"]
    assert task.cancelled()
    assert len(handlers) == 0
    assert logs.messages("ERROR") == ["Cut off 1 handler(s) of onebot that had not ended"]


async def serve(handlers: TaskSet, waiting: Waiting) -> None:
    """Run a handler as a server does, in the server's own task."""
    task = handlers.track_current("onebot")
    try:
        await waiting.run()
    finally:
        handlers.untrack(task)


@pytest.mark.parametrize("wait", [False, True])
async def test_a_task_that_is_added_is_kept_and_heard_of_like_one_that_is_started(
    wait: bool, logs: Logs
) -> None:
    handlers = TaskSet("handler")
    task = asyncio.ensure_future(fail(ValueError("wrong"), wait))
    if not wait:
        await asyncio.wait({task})
    handlers.add(task, "onebot")
    assert list(handlers) == ([task] if wait else [])
    await eventually(lambda: logs)
    assert len(handlers) == 0
    assert len(logs.matching("A handler of onebot failed", "ERROR")) == 1


@pytest.mark.promise("life: what the deadline cuts off is logged with count and adapter")
async def test_cancelling_logs_how_many_of_whom(eager: bool, logs: Logs) -> None:
    handlers, waiting = TaskSet("handler"), Waiting()
    for owner in ("onebot", "telegram", "onebot"):
        handlers.start(waiting.run(), owner)
    await turns()
    await within(handlers.cancel())
    assert waiting.ends == ["cancelled"] * 3
    assert logs.messages() == [
        "Cut off 2 handler(s) of onebot that had not ended",
        "Cut off 1 handler(s) of telegram that had not ended",
    ]
    assert len(handlers) == 0


async def test_what_was_cut_off_is_let_go(eager: bool) -> None:
    """A driver that starts and stops often keeps nothing of its earlier lives."""
    handlers, waiting = TaskSet("handler"), Waiting()
    handlers.start(waiting.run(), "onebot")
    (task,) = (weakref.ref(task) for task in handlers)
    await turns()
    await within(handlers.cancel())
    await turns()
    gc.collect()
    assert waiting.ends == ["cancelled"]
    assert task() is None


async def test_cancelling_nothing_says_nothing(logs: Logs) -> None:
    await TaskSet("handler").cancel()
    assert logs == []


async def test_cancelling_waits_no_longer_than_the_grace_for_the_stubborn() -> None:
    handlers, waiting = TaskSet("handler"), Waiting()
    handlers.start(waiting.run(stubborn=True), "onebot")
    await turns()
    await within(handlers.cancel(grace=0.01))
    assert len(handlers) == 1
    waiting.released.set()
    await eventually(lambda: not len(handlers))


async def test_a_handler_that_swallows_its_cancellation_is_not_kept() -> None:
    handlers, released = TaskSet("handler"), asyncio.Event()

    async def swallow() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await released.wait()

    handlers.start(swallow(), "onebot")
    await turns()
    await within(handlers.cancel())
    assert len(handlers) == len(handlers._cut_off) == 0


# drain


async def test_draining_waits_for_what_runs_and_for_nothing_that_starts_later() -> None:
    handlers, early, late = TaskSet("handler"), Waiting(), Waiting()
    handlers.start(early.run(), "onebot")
    handlers.start(early.run(), "telegram")
    draining = asyncio.ensure_future(handlers.drain(60))
    await turns()
    handlers.start(late.run(), "onebot")
    early.released.set()
    await within(draining)
    assert handlers.describe_pending() == "1 handler(s)"
    assert early.ends == ["released"] * 2
    assert late.ends == []
    await handlers.cancel()


async def test_draining_ends_at_its_deadline() -> None:
    handlers, waiting = TaskSet("handler"), Waiting()
    await handlers.drain(60)
    assert handlers.describe_pending() == ""
    handlers.start(waiting.run(), "onebot")
    await within(handlers.drain(0.01))
    assert waiting.ends == []
    await handlers.cancel()


async def test_what_is_left_bears_the_name_of_its_function(
    monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.life.waiting.CANCEL_GRACE", 0.01)
    stop, waiting = asyncio.Event(), Waiting()
    stop.set()
    with pytest.raises(Stopped):
        await within(race(waiting.run(stubborn=True), stop))
    assert logs.messages("ERROR")[0].startswith("Waiting.run: left something")
    waiting.released.set()
    await eventually(lambda: not _left)


async def test_a_task_is_handed_over_to_another_set(logs: Logs) -> None:
    first, second, waiting = TaskSet("handler"), TaskSet("hook"), Waiting()
    task = asyncio.ensure_future(waiting.run())
    first.add(task, "fake")
    first.hand_over(task, second)
    first.hand_over(task, second)
    assert (first.describe_pending(), second.describe_pending()) == ("", "1 hook(s)")
    await turns()
    assert await second.cancel() is True
    assert logs.matching("Cut off 1 hook(s) of fake", "ERROR")
    assert second.describe_pending() == ""
