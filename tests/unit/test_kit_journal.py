"""Tests of the kit's waits, whose items come from other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from nonebot_aiohttp.testing.common.journal import Journal, NothingCame, Reader
from nonebot_aiohttp.testing.common.timeline import PLATFORM, timeline

SOON = 0.01
"""Seconds of a deadline that is meant to pass."""


def _last(items: Sequence[int]) -> int | None:
    return items[-1] if items else None


async def test_what_is_there_ends_a_wait_at_once() -> None:
    journal: Journal[int] = Journal()
    journal.append(1)
    assert await journal.wait(_last, "an item", deadline=0) == 1


@pytest.mark.both_loops
async def test_an_item_from_another_thread_ends_a_wait() -> None:
    journal: Journal[int] = Journal()
    thread = threading.Timer(SOON, journal.append, (1,))
    thread.start()
    assert await journal.wait(_last, "an item") == 1
    thread.join()


async def test_nothing_came() -> None:
    timeline.clear()
    timeline.note(PLATFORM, "this has happened")
    journal: Journal[int] = Journal()
    with pytest.raises(NothingCame) as raised:
        await journal.wait(_last, "an item", SOON, lambda: "it got nothing at all")
    told = str(raised.value)
    assert "an item did not come within 0.01 s" in told
    assert "it got nothing at all" in told
    assert told.rstrip().endswith("this has happened                                          |")


async def test_a_loop_that_was_blocked_finds_what_came_meanwhile() -> None:
    journal: Journal[int] = Journal()
    waiting = asyncio.create_task(journal.wait(_last, "an item", deadline=SOON))
    await asyncio.sleep(0)
    thread = threading.Timer(2 * SOON, journal.append, (1,))
    thread.start()
    thread.join()
    assert await waiting == 1


async def test_what_a_function_of_the_test_raises_ends_its_wait() -> None:
    journal: Journal[int] = Journal()

    def decide(items: Sequence[int]) -> int | None:
        return 1 // (items[0] - 1) if items else None

    waiting = asyncio.create_task(journal.wait(decide, "an item"))
    await asyncio.sleep(0)
    journal.append(1)
    with pytest.raises(ZeroDivisionError):
        await waiting


async def test_a_wait_that_was_cancelled_leaves_nothing() -> None:
    journal: Journal[int] = Journal()
    waiting = asyncio.create_task(journal.wait(_last, "an item"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not journal._waiters
    journal.append(1)


async def test_each_item_is_taken_once_by_waits_at_the_same_time() -> None:
    journal: Journal[int] = Journal()
    reader = Reader(journal)
    waits = [asyncio.create_task(reader.take(lambda _: True, "an item")) for _ in range(3)]
    await asyncio.sleep(0)
    for item in (1, 2, 3):
        journal.append(item)
    assert sorted(await asyncio.gather(*waits)) == [1, 2, 3]


async def test_an_item_whose_wait_was_cancelled_goes_to_another() -> None:
    journal: Journal[int] = Journal()
    reader = Reader(journal)
    first = asyncio.create_task(reader.take(lambda _: True, "an item"))
    second = asyncio.create_task(reader.take(lambda _: True, "an item"))
    await asyncio.sleep(0)
    journal.append(1)
    first.cancel()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_an_item_that_comes_as_the_wait_fails_goes_to_another() -> None:
    journal: Journal[int] = Journal()
    reader = Reader(journal)

    def come_late(left: list[int]) -> str:
        journal.append(1)
        return f"it got {left}"

    with pytest.raises(NothingCame):
        await reader.take(lambda _: True, "an item", 0.0, nearest=come_late)
    assert await reader.take(lambda _: True, "an item", 0.0) == 1


async def test_items_are_taken_by_what_they_are_and_else_in_order() -> None:
    journal: Journal[int] = Journal()
    reader = Reader(journal)
    for item in range(4):
        journal.append(item)
    assert await reader.take(lambda item: item == 2, "two") == 2
    assert [await reader.take(lambda _: True, "any") for _ in range(3)] == [0, 1, 3]


async def test_a_wait_ends_when_nothing_more_can_come() -> None:
    journal: Journal[int] = Journal()
    reader = Reader(journal)
    over: list[str] = []
    taking = asyncio.create_task(
        reader.take(
            lambda item: item == 2,
            "two",
            nearest=lambda left: f"it got {left}",
            over=lambda: over[0] if over else None,
        )
    )
    await asyncio.sleep(0)
    journal.append(1)
    over.append("all is over")
    journal.look_again()
    with pytest.raises(NothingCame, match=r"because all is over\n\nit got \[1\]"):
        await taking


async def test_no_wake_up_is_lost_between_threads() -> None:
    journal: Journal[int] = Journal()
    reader = Reader(journal)
    threads, each = 8, 250

    def write(number: int) -> None:
        for item in range(each):
            journal.append(number * each + item)

    async def read() -> list[int]:
        return [await reader.take(lambda _: True, "an item") for _ in range(threads * each // 4)]

    def read_in_a_loop_of_its_own(found: list[int]) -> None:
        found += asyncio.run(read())

    found: list[int] = []
    working = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
    working += [threading.Thread(target=read_in_a_loop_of_its_own, args=(found,)) for _ in "ab"]
    for thread in working:
        thread.start()
    mine = await asyncio.gather(read(), read())
    for thread in working:
        await asyncio.to_thread(thread.join)
    assert sorted([*mine[0], *mine[1], *found]) == list(range(threads * each))
