"""Failures: explained once in a while, counted in between, and nothing of them is kept."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketClosed
from nonebot_aiohttp.life import failures
from nonebot_aiohttp.life.failures import MAX_KINDS, Failures, is_disconnected
from tests.support.logs import Logs
from tests.support.waiting import eventually

TEXT = "A handler of platform failed"


def fail(error: Exception) -> Exception:
    """Raise an error, and give it back with its traceback."""
    try:
        raise error
    except Exception as caught:
        return caught


async def test_the_same_failure_is_explained_once_and_counted(logs: Logs) -> None:
    log = Failures()
    for number in range(3):
        log.log(TEXT, fail(ValueError(f"number {number}")))
    assert len(logs) == 1
    assert logs[0].level == "ERROR"
    assert logs[0].message.startswith(f"{TEXT}\n  Traceback")
    log.report()
    again = f"{TEXT} 2 more time(s), at last with ValueError: number 2"
    assert logs.messages("WARNING") == [again]
    # After the report the next failure is explained again.
    log.log(TEXT, fail(ValueError("number 3")))
    log.report()
    assert len(logs.messages("ERROR")) == 2
    assert len(logs) == 3


async def test_the_count_is_reported_after_a_while(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "QUIET_SECONDS", 0.01)
    log = Failures()
    for _ in range(2):
        log.log(TEXT, fail(ValueError("wrong")))
    await eventually(lambda: len(logs) == 2)
    assert logs.messages("WARNING") == [f"{TEXT} 1 more time(s), at last with ValueError: wrong"]


async def test_other_owners_places_and_types_are_other_failures(logs: Logs) -> None:
    log = Failures()
    log.log(TEXT, fail(ValueError("wrong")))
    log.log("A handler of another failed", fail(ValueError("wrong")))
    log.log(TEXT, fail(KeyError("wrong")))
    try:
        raise ValueError("elsewhere")
    except ValueError as error:
        log.log(TEXT, error)
    assert len(logs.messages("ERROR")) == 4
    log.report()


async def test_more_kinds_than_are_told_apart_are_counted_together(logs: Logs) -> None:
    log = Failures()
    for _ in range(2):
        for number in range(MAX_KINDS + 10):
            log.log(f"number {number}", fail(ValueError("wrong")))
    assert len(logs) == MAX_KINDS
    log.report()
    counted = logs.messages("WARNING")
    assert len(counted) == MAX_KINDS + 1
    last = f"at last with number {MAX_KINDS + 9}: ValueError: wrong"
    assert counted[-1] == f"Other tasks failed 20 more time(s), {last}"


def test_what_is_left_by_a_loop_that_has_ended_hides_nothing(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("nonebot_aiohttp.life.failures.time.monotonic", lambda: now)
    log = Failures()

    async def life() -> None:
        log.log(TEXT, fail(ValueError("wrong")))
        log.log(TEXT, fail(ValueError("wrong")))

    asyncio.run(life())
    now += failures.QUIET_SECONDS
    asyncio.run(life())
    assert len(logs.messages("ERROR")) == 2
    assert logs.messages("WARNING") == [f"{TEXT} 1 more time(s), at last with ValueError: wrong"]


async def test_nothing_is_kept_of_a_failure(logs: Logs) -> None:
    class Large:
        pass

    async def handle() -> None:
        large = Large()
        kept.append(weakref.ref(large))
        raise ValueError("wrong")

    log, kept = Failures(), list[Any]()
    for _ in range(2):
        task = asyncio.ensure_future(handle())
        await asyncio.wait({task})
        error = task.exception()
        assert error is not None
        log.log(TEXT, error)
        del task, error
    gc.collect()
    assert [reference() for reference in kept] == [None, None]
    log.report()


# The end of a bot's own connection


def bot(*, closed: bool) -> Any:
    """Make what has a connection."""
    return SimpleNamespace(self_id="7", request=SimpleNamespace(closed=closed))


def wrapped(error: Exception) -> Exception:
    """Wrap an error as adapters do."""
    try:
        raise RuntimeError("the network failed") from error
    except RuntimeError as outer:
        return outer


def while_handling(error: Exception) -> Exception:
    """Fail while an error is handled: a failure of its own, which must not be hidden."""
    try:
        try:
            raise error
        except type(error):
            raise KeyError("another")  # noqa: B904 - its context is what is tested
    except KeyError as outer:
        return outer
    raise AssertionError


CLOSED = WebSocketClosed(1006, "the connection is gone")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (CLOSED, True),
        (wrapped(CLOSED), True),
        (wrapped(wrapped(CLOSED)), True),
        (while_handling(CLOSED), False),
        (ValueError("wrong"), False),
    ],
    ids=["itself", "its cause", "the cause's cause", "while it is handled", "another"],
)
def test_the_end_of_a_connection_is_found_behind_an_error(error: Exception, found: bool) -> None:
    assert is_disconnected(error, bot(closed=True)) is found


def test_an_error_that_is_its_own_cause_ends_the_search() -> None:
    error = ValueError("wrong")
    error.__cause__ = error
    assert not is_disconnected(error, bot(closed=True))


@pytest.mark.parametrize(
    "of", [None, bot(closed=False), SimpleNamespace(request=object())], ids=["none", "open", "http"]
)
def test_without_a_connection_that_has_ended_the_reason_is_another_one(of: Any) -> None:
    assert not is_disconnected(CLOSED, of)
