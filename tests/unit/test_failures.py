"""Failures: explained once in a while, counted in between, and nothing of them is kept."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp import WebSocketClosed, failures
from nonebot_aiohttp.failures import MAX_KINDS, Failures, end_of_connection
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
    assert logs[0].message.startswith(f"{TEXT}\nTraceback")
    log.report()
    again = f"{TEXT} 2 more time(s), at last with ValueError: number 2"
    assert logs.messages("WARNING") == [again]
    # It starts anew.
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


async def test_what_failed_once_is_reported_once(logs: Logs) -> None:
    log = Failures()
    log.log(TEXT, fail(ValueError("wrong")))
    log.report()
    assert len(logs) == 1


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


async def test_there_is_room_for_a_limited_number_of_different_failures(logs: Logs) -> None:
    log = Failures()
    for number in range(MAX_KINDS + 1):
        for _ in range(2):
            log.log(f"number {number}", fail(ValueError("wrong")))
    assert len(log._repeated) == MAX_KINDS
    assert [message.split()[1] for message in logs.messages("WARNING")] == ["0"]
    log.report()


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
    """Fail while an error is handled."""
    try:
        try:
            raise error
        except type(error):
            raise KeyError("another") from None
    except KeyError as outer:
        return outer


CLOSED = WebSocketClosed(1006, "the connection is gone")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (CLOSED, True),
        (wrapped(CLOSED), True),
        (wrapped(wrapped(CLOSED)), True),
        (while_handling(CLOSED), True),
        (ValueError("wrong"), False),
    ],
    ids=["itself", "its cause", "the cause's cause", "its context", "another"],
)
def test_the_end_of_a_connection_is_found_behind_an_error(error: Exception, found: bool) -> None:
    assert end_of_connection(error, bot(closed=True)) is (CLOSED if found else None)


def test_an_error_that_is_its_own_context_ends_the_search() -> None:
    error = ValueError("wrong")
    error.__cause__ = error
    assert end_of_connection(error, bot(closed=True)) is None


@pytest.mark.parametrize(
    "of", [None, bot(closed=False), SimpleNamespace(request=object())], ids=["none", "open", "http"]
)
def test_who_has_no_connection_that_has_ended_fails_for_another_reason(of: Any) -> None:
    assert end_of_connection(CLOSED, of) is None
