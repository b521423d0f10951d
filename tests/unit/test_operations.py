"""The counters behind the status: their bounds, their moments, and what stands in for a loop."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from nonebot_aiohttp import DriverOptions
from nonebot_aiohttp.connections.calls import MOST_HOSTS, CallCounts
from nonebot_aiohttp.connections.open_websockets import OpenWebSockets
from nonebot_aiohttp.connections.records import (
    FORWARD,
    MOST_GONE,
    POLLING,
    REMEMBERED,
    REVERSE,
    BotRecords,
)
from nonebot_aiohttp.operations.listener import OperatorsListener
from nonebot_aiohttp.operations.sampling import KEPT, LAG_WINDOW, Sampler
from nonebot_aiohttp.operations.status import Second
from nonebot_aiohttp.reverse.gate import MOST_REASONS, Gate
from nonebot_aiohttp.reverse.refusals import Refused
from tests.support.bots import make_driver, new_adapter
from tests.support.clock import FakeClock
from tests.support.logs import Logs

SECRET = "s3cr3tT0ken1234567"


def bot(self_id: str) -> Any:
    """Make what the records need of a bot."""
    return SimpleNamespace(self_id=self_id)


class Counted:
    """What is counted of a WebSocket."""

    owner, gone = "my", False

    def __init__(self, received: int = 0, sent: int = 0) -> None:
        self.received, self.sent = received, sent


def websocket(received: int = 0, sent: int = 0) -> Any:
    """Make what is counted of a WebSocket."""
    return Counted(received, sent)


# Refusals


def test_reasons_of_refusals_are_bounded(logs: Logs) -> None:
    gate = Gate(DriverOptions(), SimpleNamespace(takes_events=True))  # type: ignore[arg-type]
    for number in range(1000):
        gate.refuse("a webhook of my", Refused(403, f"made up {number}"))
    assert len(gate.refused) == MOST_REASONS + 1
    assert gate.refused["other"] == 1000 - MOST_REASONS
    # A known reason still counts by itself.
    gate.refuse("a webhook of my", Refused(403, "made up 0"))
    assert gate.refused["made up 0"] == 2
    assert sum(gate.refused.values()) == 1001


def test_what_is_not_refused_does_not_count() -> None:
    gate = Gate(DriverOptions(), SimpleNamespace(takes_events=True))  # type: ignore[arg-type]
    gate.refuse("a webhook of my", Refused(302, "a challenge"))
    assert gate.refused == {}


# Calls


def test_one_host_over_http_and_https_is_one() -> None:
    calls = CallCounts()
    for url in ("http://a.example/", "https://a.example/", "https://A.example:443/x?y"):
        calls.answered(URL(url), 200)
    calls.failed(URL("http://a.example:8080/"))
    calls.answered(URL("http://[::1]:81/"), 500)
    calls.answered(URL("http://[::1]/"), 404)
    assert calls.by_host() == [
        ("a.example", [3, 0, 0, 0]),
        ("a.example:8080", [0, 0, 0, 1]),
        ("[::1]:81", [0, 0, 1, 0]),
        ("[::1]", [0, 1, 0, 0]),
    ]
    assert (calls.total, calls.unwell) == (6, 2)


@pytest.mark.promise(
    "operations: an ordinary 4xx, as of a deleted message, is no failure of the bot"
)
@pytest.mark.parametrize(
    ("status", "unwell"),
    [(200, 0), (304, 0), (400, 0), (403, 0), (404, 0), (401, 1), (429, 1), (500, 1), (503, 1)],
)
def test_what_a_platform_says_of_the_bot_is_a_failure(status: int, unwell: int) -> None:
    calls = CallCounts()
    calls.answered(URL("http://a.example/"), status)
    assert (calls.total, calls.unwell) == (1, unwell)


def test_a_host_called_other_is_not_lost() -> None:
    calls = CallCounts()
    calls.answered(URL("http://other/"), 200)
    for number in range(1000):
        calls.answered(URL(f"http://host{number}.example/"), 200)
    hosts = dict(calls.by_host())
    assert len(hosts) == MOST_HOSTS
    assert hosts["other"][0] == 1 + 1000 - (MOST_HOSTS - 1)


def test_a_host_is_shown_as_the_log_shows_it() -> None:
    calls = CallCounts()
    calls.answered(URL.build(scheme="http", host="a" * 300), 200)
    ((name, _),) = calls.by_host()
    assert len(name) < 110


# Records


def test_the_last_hundred_that_have_gone_are_remembered() -> None:
    records = BotRecords(lambda: 5.0)
    for number in range(1000):
        each = bot(f"{number}")
        records.add(each, "my", "polling")
        records.remove(each)
    gone = records.gone()
    assert len(gone) == MOST_GONE
    assert gone[-1].shown_id == "999"
    assert gone[-1].since == 5.0


def test_a_bot_that_has_gone_is_remembered_for_a_day() -> None:
    now = [5.0]
    records = BotRecords(lambda: now[0])
    for self_id in ("1", "2"):
        each = bot(self_id)
        records.add(each, "my", REVERSE)
        records.remove(each)
        now[0] += 60
    now[0] = 5.0 + REMEMBERED + 30
    assert [each.shown_id for each in records.gone()] == ["2"]


@pytest.mark.parametrize(("way", "remembered"), [(REVERSE, 1), (FORWARD, 0), (POLLING, 0), ("", 1)])
def test_what_loops_tell_is_not_told_again(way: str, remembered: int) -> None:
    records, each = BotRecords(loops_tell=True), bot("1")
    records.add(each, "my", way)
    records.remove(each)
    assert len(records.gone()) == remembered


def test_a_bot_of_another_adapter_with_the_same_id_is_another() -> None:
    records = BotRecords()
    for adapter in ("one", "two"):
        each = bot("1")
        records.add(each, adapter, "polling")
        records.remove(each)
    records.add(bot("1"), "two", "polling")
    assert [each.adapter for each in records.gone()] == ["one"]


def test_a_bot_that_connects_anew_counts_once() -> None:
    records, each = BotRecords(), bot("1")
    for adapter in ("one", "one", "two"):
        records.add(each, adapter, "polling")
    assert (len(records), dict(records.connected)) == (1, {"two": 1})
    records.remove(each)
    assert (len(records), dict(records.connected)) == (0, {})


def test_messages_before_a_bot_has_connected_are_not_its_own() -> None:
    records, open_one = BotRecords(), websocket(received=7)
    record = records.add(bot("1"), "my", "reverse WebSocket", open_one)
    assert record.messages == 0
    open_one.received += 2
    assert record.messages == 2
    record.notice(1000.9)
    assert record.last == 1000
    record.notice(2000)
    assert record.last == 1000


@pytest.mark.parametrize("self_id", ["a\x1b[31mb", "a\nb", "x" * 5000, f"token={SECRET}", "\udcff"])
def test_ids_are_shown_as_the_log_shows_them(self_id: str) -> None:
    records = BotRecords()
    one = bot(self_id)
    record = records.add(one, f"adapter token={SECRET}\n", "")
    records.remove(one)
    assert records.gone()[0].shown_id == record.shown_id
    shown = record.shown_id + record.adapter
    assert shown.isprintable()
    assert SECRET not in shown
    assert len(shown) < 150
    shown.encode()


# WebSockets


def test_a_websocket_counts_once() -> None:
    websockets, one = OpenWebSockets(), websocket(3, 4)
    websockets.add(one)
    assert websockets.messages() == {"my": [3, 4]}
    websockets.remove(one)
    websockets.remove(one)
    assert websockets.messages() == {"my": [3, 4]}
    two = websocket(1, 0)
    websockets.add(two)
    assert websockets.messages() == {"my": [4, 4]}
    # What is asked for cannot be changed by who asks.
    websockets.messages()["my"][0] = 99
    assert websockets.messages() == {"my": [4, 4]}


@pytest.mark.parametrize(("received", "told"), [(0, []), (2, [("unknown", 2, 0)])])
def test_websockets_of_nobody_are_told_of_when_they_got_something(
    received: int, told: list[Any]
) -> None:
    driver = make_driver()
    waiting = websocket(received)
    waiting.owner = ""
    driver._operations.observer._parts.websockets[0].add(waiting)
    messages = driver.status().messages
    assert [(each.adapter, each.received, each.sent) for each in messages] == told


# The sampler


async def test_the_sampler_notes_lag_seconds_and_messages(fake_clock: FakeClock) -> None:
    totals = [0, 0, 0, 0, 0]
    records = BotRecords()

    async def in_turns() -> tuple[int, ...]:
        return tuple(totals)

    sampler = Sampler(
        lambda: tuple(totals), in_turns, records, clock=fake_clock.clock, time_of_day=lambda: 77.9
    )
    assert sampler.lag is None
    sampler.start()
    totals[0] += 2
    await fake_clock.advance(1.25)
    await sampler.look()
    totals[4] += 1
    await fake_clock.advance(1)
    await sampler.look()
    assert sampler.lag == 0.25
    assert [*sampler.history()] == [Second(2, 0, 0, 0, 0), Second(0, 0, 0, 0, 1)]
    for _ in range(LAG_WINDOW):
        await fake_clock.advance(1)
        await sampler.look()
    assert sampler.lag == 0.0
    for _ in range(KEPT):
        await fake_clock.advance(1)
        await sampler.look()
    assert len(sampler.history()) == KEPT
    sampler.stop()
    assert sampler.lag is None
    sampler.start()
    assert sampler.history() == ()
    sampler.stop()


async def test_the_sampler_looks_at_many_bots_in_turns(fake_clock: FakeClock) -> None:
    records = BotRecords()
    each = [bot(f"{number}") for number in range(2000)]
    for one in each:
        records.add(one, "my", "polling")
        records.polled(one)

    async def nothing() -> tuple[int, ...]:
        return (0,) * 5

    sampler = Sampler(lambda: (0,) * 5, nothing, records, fake_clock.clock, lambda: 77.9)
    sampler.start()
    await sampler.look()
    sampler.stop()
    assert {record.last for record in records} == {77}


# Finding bots


async def test_bots_are_found_by_id_adapter_and_way() -> None:
    driver = make_driver(new_adapter())
    observer, records = driver._operations.observer, driver._connected_bots.records
    connected = [bot(f"Bot{number}") for number in range(30)]
    for number, each in enumerate(connected):
        records.add(each, "one" if number % 2 else "two", "polling")
    assert (await observer.find_bots()).total == 30
    found = await observer.find_bots("bOt1", 2, 3)
    assert (len(found.bots), found.total, found.connected) == (3, 11, 30)
    assert (await observer.find_bots("ONE")).total == 15
    assert (await observer.find_bots("poll")).total == 30
    assert (await observer.find_bots("nothing")) == ((), 0, 30)
    assert observer.missing(["Bot1", "x"]) == ["x"]
    assert driver._operations.observer.status(bots=False).bots == ()


def test_ten_thousand_bots_can_be_written() -> None:
    driver = make_driver(new_adapter())
    connected = [bot(f"{number}") for number in range(10_000)]
    for each in connected:
        driver._connected_bots.records.add(each, "my", "polling")
    plain = driver.status().asdict()
    assert len(plain["bots"]) == 10_000
    assert json.loads(json.dumps(plain)) == plain


# The listener


async def test_what_cannot_serve_leaves_no_socket_open() -> None:
    def fail() -> web.Application:
        raise RuntimeError("no application")

    listener = OperatorsListener(DriverOptions(ops_port="0"), fail)
    for strict in (False, True):
        with pytest.raises(RuntimeError):
            await listener.open(strict=strict)
        assert (listener.addresses, listener._users) == ([], 0)
    # The lifespan closes what it could not open.
    await listener.close()
    assert listener._users == 0


async def test_who_opens_it_again_shares_it() -> None:
    listener = OperatorsListener(DriverOptions(ops_port="0"), web.Application)
    await listener.open(strict=True)
    addresses = listener.addresses
    await listener.open()
    assert listener.addresses == addresses
    await listener.close()
    assert listener.addresses == addresses
    await listener.close()
    assert listener.addresses == []
    await listener.open()
    assert listener.addresses
    await listener.close()
