"""How long to wait before the next attempt, and which failures are worth one."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import islice, pairwise

import aiohttp
import pytest
from aiohttp.http import HttpProcessingError
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from nonebot_aiohttp import DriverOptions, DuplicateBotError, SetupError, WebSocketClosed
from nonebot_aiohttp.forward.backoff import (
    MINIMUM_DELAY,
    MOST_KINDS,
    REMINDER,
    RETRY_AFTER_LIMIT,
    News,
    Pace,
    Verdict,
    delays,
    is_of_network,
    judge,
    kind_of,
    retry_after,
)
from tests.support.clock import FakeClock

NOW = datetime(2024, 2, 29, 12, 0, 0, tzinfo=timezone.utc)

seconds = st.floats(min_value=0, max_value=1e6)
randoms = st.floats(min_value=0, max_value=1, exclude_max=True)


def refusal(
    status: int,
    headers: dict[str, str] | None = None,
    kind: type[aiohttp.ClientResponseError] = aiohttp.ClientResponseError,
) -> aiohttp.ClientResponseError:
    url = URL("http://example.org")
    request = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return kind(request, (), status=status, headers=CIMultiDict(headers or {}))


# delays


@pytest.mark.promise("forward: delays begin at a second and grow to the cap, with jitter")
def test_the_delays_double_up_to_the_cap() -> None:
    assert list(islice(delays(3, 60, lambda: 0), 7)) == [3, 6, 12, 24, 48, 60, 60]


@pytest.mark.promise("forward: delays begin at a second and grow to the cap, with jitter")
def test_the_first_delay_is_at_least_a_second() -> None:
    """Trap: retry without delay, a saturated CPU (adapter-telegram#41)."""
    assert list(islice(delays(0, 8, lambda: 0), 5)) == [1, 2, 4, 8, 8]


def test_an_interval_above_the_cap_is_kept() -> None:
    assert list(islice(delays(90, 60, lambda: 0.999), 3)) == [90, 90, 90]


def test_the_jitter_takes_a_quarter_at_most() -> None:
    assert list(islice(delays(4, 64, lambda: 0.5), 4)) == [4, 7, 14, 28]


@given(seconds, seconds, st.lists(randoms, min_size=1, max_size=20))
def test_the_delays_stay_within_their_bounds(
    interval: float, cap: float, numbers: list[float]
) -> None:
    source = iter(numbers)
    found = list(islice(delays(interval, cap, lambda: next(source)), len(numbers) + 1))
    first = max(interval, MINIMUM_DELAY)
    assert found[0] == first
    ceiling = first
    for delay in found[1:]:
        ceiling = min(ceiling * 2, max(cap, first))
        assert max(first, ceiling * 0.75) <= delay <= ceiling


@pytest.mark.promise("forward: delays begin at a second and grow to the cap, with jitter")
def test_clients_do_not_come_back_all_at_once() -> None:
    assert len({next(islice(delays(3, 60), 4, None)) for _ in range(100)}) > 50


# judge


@pytest.mark.promise("forward: an attempt that failed for a passing reason is retried")
@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (SetupError("no adapter"), Verdict.FATAL),
        (DuplicateBotError("1"), Verdict.SLOWLY),
        *((refusal(status), Verdict.SLOWLY) for status in (101, 200, 301, 400, 401, 403, 404, 410)),
        *((refusal(status), Verdict.RETRY) for status in (408, 425, 429, 500, 502, 503, 504)),
        (refusal(401, kind=aiohttp.WSServerHandshakeError), Verdict.SLOWLY),
        (refusal(503, kind=aiohttp.WSServerHandshakeError), Verdict.RETRY),
        (aiohttp.ServerDisconnectedError(), Verdict.RETRY),
        (aiohttp.ClientPayloadError(), Verdict.RETRY),
        (ConnectionRefusedError(), Verdict.RETRY),
        (asyncio.TimeoutError(), Verdict.RETRY),
        (ssl.SSLCertVerificationError(), Verdict.RETRY),
        (WebSocketClosed(1000), Verdict.RETRY),
        (KeyError("a factory's own"), Verdict.RETRY),
        # Not the setup's URL, but one to which a peer has redirected, or of a factory's request.
        (aiohttp.InvalidURL("nowhere"), Verdict.RETRY),
    ],
    ids=repr,
)
def test_the_verdict_on(error: BaseException, verdict: Verdict) -> None:
    assert judge(error) is verdict


@pytest.mark.parametrize("status", [0, 400])
def test_an_answer_that_is_not_http_is_worth_a_retry(status: int) -> None:
    """Trap: aiohttp gives it the status 400, though no peer has refused."""
    error = refusal(status)
    error.__cause__ = HttpProcessingError(message="garbled")
    assert judge(error) is Verdict.RETRY


# retry_after


@pytest.mark.promise("forward: Retry-After is honoured")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("9" * 400, RETRY_AFTER_LIMIT),
        ("-5", 0),
        # Rounded up, for what comes earlier is refused again.
        ("120.5", 121),
        ("1.0", 1),
        ("1.5.2", 0),
        ("soon", 0),
        ("", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), RETRY_AFTER_LIMIT),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        # Without a zone, which is UTC.
        ("Thu, 29 Feb 2024 12:01:30 -0000", 90),
        ("Thu, 29 Feb 2024 13:01:30 +0100", 90),
        ("Thu, 29 Feb 2024 12:01:30 +99999999999999999", 0),
        ("Thu, 99 Feb 2024 12:01:30 GMT", 0),
    ],
)
@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_the_peer_says_how_long_to_wait(value: str, expected: float, name: str) -> None:
    assert retry_after(refusal(429, {name: value}), NOW) == expected


def test_the_systems_clock_tells_how_long_a_date_is_away() -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    assert 60 < retry_after(refusal(503, {"Retry-After": date})) <= 90


def test_a_failure_without_an_answer_has_no_retry_after() -> None:
    silent = refusal(429)
    silent.headers = None
    strange = ValueError("of a factory")
    strange.headers = ["Retry-After"]  # type: ignore[attr-defined]
    for error in (silent, refusal(429), OSError(), strange):
        assert retry_after(error) == 0


dates = st.builds(
    "{}, {} Feb {} {}:{}:{} {}".format,
    *[st.sampled_from(["Thu", ""]), *[st.integers()] * 5, st.integers().map("{:+}".format)],
)


@given(st.text() | dates | st.from_regex(r"\d+", fullmatch=True))
def test_no_header_breaks_the_loop(value: str) -> None:
    assert 0 <= retry_after(refusal(429, {"Retry-After": value}), NOW) <= RETRY_AFTER_LIMIT


# Pace


@pytest.fixture
def pace(fake_clock: FakeClock) -> Pace:
    options = DriverOptions.parse({"backoff_max": 50, "stable_after": 20})
    return Pace(options, fake_clock.clock, rand=lambda: 0)


def test_consecutive_failures_slow_down(pace: Pace) -> None:
    assert not pace.failing
    assert [pace.failed(3) for _ in range(3)] == [3, 6, 12]
    assert pace.failing


async def test_a_short_success_does_not_reset_the_delay(pace: Pace, fake_clock: FakeClock) -> None:
    """Trap: websockets resets its backoff on the handshake, 3,528 connections in 3 s."""
    found = []
    for _ in range(4):
        pace.succeeded()
        await fake_clock.advance(19.9)
        found.append(pace.failed(3))
    assert found == [3, 6, 12, 24]


async def test_a_stable_time_resets_the_delay(pace: Pace, fake_clock: FakeClock) -> None:
    assert [pace.failed(3) for _ in range(3)] == [3, 6, 12]
    for _ in range(2):
        # The time counts from the first of several successes.
        pace.succeeded()
        await fake_clock.advance(10)
    assert pace.failed(3) == 3
    # And it counts once.
    await fake_clock.advance(100)
    assert pace.failed(3) == 6


@pytest.mark.promise("forward: an outage is logged in a few lines, and its end in one")
def test_the_end_of_an_outage_is_told_once(pace: Pace) -> None:
    assert pace.succeeded() is False
    pace.failed(3)
    assert pace.succeeded() is True
    assert pace.succeeded() is False
    assert not pace.failing


@pytest.mark.promise("forward: other 4xx answers are retried at the slowest pace")
@pytest.mark.parametrize(("interval", "slowest"), [(3, 50), (90, 90), (0, 50)])
def test_the_slowest_pace(pace: Pace, interval: float, slowest: float) -> None:
    assert pace.slowest(interval) == slowest


def test_the_failures_of_an_outage_are_counted(pace: Pace, fake_clock: FakeClock) -> None:
    for number in (1, 2, 3):
        pace.failed(3)
        assert pace.failures == number
        fake_clock._now += 10
    assert pace.succeeded()
    assert (pace.failures, pace.down_for()) == (3, 30)
    # It was up for a moment only, so that the outage goes on.
    pace.failed(3)
    assert (pace.failures, pace.down_for()) == (4, 30)
    pace.succeeded()
    fake_clock._now += 30
    pace.failed(3)
    assert (pace.failures, pace.down_for()) == (1, 0)


# News


@pytest.mark.promise("forward: an outage is logged in a few lines, and its end in one")
def test_an_outage_of_a_night_takes_a_dozen_lines(fake_clock: FakeClock) -> None:
    news, told = News(fake_clock.clock), []
    for number in range(1, 8 * 60):
        if news.tell(number, "refused") != (False, False):
            told.append(number)
        fake_clock._now += 60
    assert told[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert len(told) < 16
    assert max(later - earlier for earlier, later in pairwise(told)) <= 60


def test_another_kind_of_failure_is_news(fake_clock: FakeClock) -> None:
    news = News(fake_clock.clock)
    fake_clock._now += REMINDER
    assert news.tell(1, "refused") == (True, True)
    assert news.tell(2, "refused") == (True, False)
    assert news.tell(3, "unauthorized") == (True, True)
    assert news.tell(5, "refused") == (False, False)
    assert news.tell(6, "unauthorized") == (False, False)
    assert news.tell(1, "unauthorized") == (True, True)
    kinds = [news.tell(3, number)[1] for number in range(100)]
    assert sum(kinds) == MOST_KINDS - 1


def test_kinds_are_told_apart_by_status_and_close_code() -> None:
    errors = [refusal(401), refusal(403), WebSocketClosed(1000), WebSocketClosed(1006), OSError()]
    assert len(set(map(kind_of, errors))) == len(errors)
    assert kind_of(refusal(401)) == kind_of(refusal(401))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ServerDisconnectedError(), True),
        (refusal(503), True),
        (ConnectionRefusedError(), True),
        (ssl.SSLCertVerificationError(), True),
        (asyncio.TimeoutError(), True),
        (WebSocketClosed(1006), True),
        (DuplicateBotError("1"), True),
        (HttpProcessingError(message="garbled"), True),
        (KeyError("a bug"), False),
        (AttributeError("a bug"), False),
    ],
    ids=repr,
)
def test_an_error_of_the_network_needs_no_traceback(error: Exception, expected: bool) -> None:
    assert is_of_network(error) is expected
