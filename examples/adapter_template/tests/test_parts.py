"""Parts of the adapter, which need no bot and no platform."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from nonebot.drivers import Response

from nonebot.adapters.pigeon import Event, Message, MessageEvent, NetworkError
from nonebot.adapters.pigeon.backoff import DAY, Backoff, retry_after
from nonebot.adapters.pigeon.event import make_event


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(1.0, 5.0)
    for most in (1, 2, 4, 5, 5):
        assert 0.75 * most <= backoff.pause(OSError()) <= most
    backoff.reset()
    assert backoff.pause(OSError()) <= 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_after_a_refusal_comes_the_longest_pause(status: int) -> None:
    assert Backoff(1.0, 60.0).pause(NetworkError("no", status)) == 60


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_after_what_may_get_right_comes_the_first_pause(status: int) -> None:
    assert Backoff(1.0, 60.0).pause(NetworkError("no", status)) <= 1


def test_what_pigeon_asks_for_is_the_pause() -> None:
    assert Backoff(1.0, 60.0).pause(NetworkError("no", 429, 90.0)) == 90


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 0), ("", None), ("soon", None), ("-1", None), ("9" * 12, DAY)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after(Response(503, headers={"Retry-After": text})) == seconds


def test_retry_after_as_a_date() -> None:
    date = datetime.now(timezone.utc) + timedelta(seconds=100)
    found = retry_after(Response(429, headers={"Retry-After": format_datetime(date, usegmt=True)}))
    assert found is not None
    assert 90 < found <= 100
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert retry_after(Response(429, headers={"Retry-After": past})) == 0


def test_a_message_is_known() -> None:
    event = make_event({"id": 7, "type": "message", "chat": "loft", "text": "coo"})
    assert isinstance(event, MessageEvent)
    assert event.get_message() == Message("coo")
    assert event.get_session_id() == "loft"


def test_an_event_of_another_kind_is_a_notice() -> None:
    event = make_event({"id": 8, "type": "landed", "where": "roof"})
    assert type(event) is Event
    assert (event.get_type(), event.get_event_name()) == ("notice", "landed")
    with pytest.raises(ValueError, match="no message"):
        event.get_message()


def test_what_an_event_has_is_not_taken_for_colours_of_the_log() -> None:
    event = make_event({"id": 9, "type": "<red>", "where": "roof"})
    assert event.get_log_string() == "[\\<red>]: 9"


def test_a_long_message_is_cut_in_the_log() -> None:
    event = make_event({"id": 7, "type": "message", "chat": "loft", "text": "coo" * 1_000_000})
    assert len(event.get_log_string()) < 1_000


@pytest.mark.parametrize("data", [None, 7, [], {}, {"id": "x", "type": "message"}, {"type": []}])
def test_what_is_no_event_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="validation"):
        make_event(data)
