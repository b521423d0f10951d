"""Races between a coroutine, the stop and a deadline, and the end of what loses them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from nonebot_aiohttp.life.waiting import Stopped, _left, race, settle
from tests.support.coroutines import Waiting, fail
from tests.support.logs import Logs
from tests.support.waiting import eventually, within
from tests.support.waiting import settle as turns


async def test_a_race_returns_the_result_or_raises_the_error() -> None:
    stop = asyncio.Event()
    assert await race(asyncio.sleep(0, "result"), stop) == "result"
    with pytest.raises(ValueError, match="wrong"):
        await race(fail(ValueError("wrong"), wait=True), stop, 60)


async def test_the_stop_ends_a_race_at_once() -> None:
    """Trap: python-telegram-bot's stop during its backoff took 5.8 s."""
    stop, waiting = asyncio.Event(), Waiting()
    racing = asyncio.ensure_future(race(waiting.run(), stop, 60))
    await turns()
    stop.set()
    with pytest.raises(Stopped):
        await within(racing)
    assert waiting.ends == ["cancelled"]


async def test_the_deadline_ends_a_race() -> None:
    waiting = Waiting()
    with pytest.raises(asyncio.TimeoutError):
        await race(waiting.run(), asyncio.Event(), 0.01)
    assert waiting.ends == ["cancelled"]


async def test_a_result_is_not_lost_to_a_stop_of_the_same_moment() -> None:
    stop, waiting = asyncio.Event(), Waiting()
    racing = asyncio.ensure_future(race(waiting.run(), stop))
    await turns()
    waiting.released.set()
    stop.set()
    assert await within(racing) == "result"


async def test_a_stop_before_the_race_still_takes_a_result_that_needs_no_wait() -> None:
    stop = asyncio.Event()
    stop.set()
    assert await race(Waiting.run(_released()), stop) == "result"
    with pytest.raises(Stopped):
        await race(Waiting().run(), stop)


def _released() -> Waiting:
    waiting = Waiting()
    waiting.released.set()
    return waiting


async def test_a_result_that_comes_while_it_is_cancelled_is_not_lost() -> None:
    stop = asyncio.Event()

    async def read() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "read"
        return "never"

    racing = asyncio.ensure_future(race(read(), stop))
    await turns()
    stop.set()
    assert await within(racing) == "read"


async def test_a_cancelled_race_leaves_nothing_running() -> None:
    waiting = Waiting()
    before = asyncio.all_tasks()
    racing = asyncio.ensure_future(race(waiting.run(), asyncio.Event()))
    await turns()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert waiting.ends == ["cancelled"]
    assert asyncio.all_tasks() == before


async def test_settling_cancels_what_runs_and_takes_note_of_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting = Waiting()
    running = asyncio.ensure_future(waiting.run())
    failed: asyncio.Future[Any] = asyncio.ensure_future(fail(ValueError("wrong")))
    await turns()
    await settle(running)
    await settle(failed)
    assert running.cancelled()
    assert waiting.ends == ["cancelled"]
    del failed
    gc.collect()
    # asyncio logs errors of tasks that were never retrieved.
    assert not caplog.records


@pytest.mark.parametrize(("timeout", "end"), [(None, Stopped), (0.01, asyncio.TimeoutError)])
async def test_a_race_ends_although_its_loser_does_not(
    monkeypatch: pytest.MonkeyPatch, logs: Logs, timeout: float | None, end: type[Exception]
) -> None:
    monkeypatch.setattr("nonebot_aiohttp.life.waiting.CANCEL_GRACE", 0.01)
    stop, waiting = asyncio.Event(), Waiting()
    racing = asyncio.ensure_future(race(waiting.run(stubborn=True), stop, timeout, "Polling"))
    await turns()
    if timeout is None:
        stop.set()
    await eventually(racing.done)
    with pytest.raises(end):
        racing.result()
    assert logs.messages("ERROR") == [
        "Polling: left something that did not end when it was cancelled"
    ]
    gc.collect()
    assert len(_left) == 1
    waiting.released.set()
    await eventually(lambda: not _left)
