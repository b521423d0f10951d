"""Tests of answers in turn, and of what the timeline shows."""

from __future__ import annotations

import pytest

from nonebot_aiohttp.testing.common.timeline import BOT, PLATFORM, Timeline, shown
from nonebot_aiohttp.testing.platforms.replies import Replies, Step, make_reply


def _given(replies: Replies, count: int) -> list[object]:
    steps = [replies.next() for _ in range(count)]
    return [None if step is None else step.content for step in steps]


def test_answers_come_in_turn_and_the_last_one_again() -> None:
    replies = Replies()
    for content in "abc":
        replies.add(content)
    assert _given(replies, 5) == ["a", "b", "c", "c", "c"]


def test_times() -> None:
    replies = Replies()
    replies.add("a", times=2)
    replies.add("b", times=1)
    assert _given(replies, 4) == ["a", "a", "b", None]


def test_the_answer_behind_all_others() -> None:
    replies = Replies()
    replies.keep_last(Step("queue", None))
    replies.add("a")
    assert _given(replies, 3) == ["a", "queue", "queue"]
    replies.add("b")
    assert _given(replies, 2) == ["b", "queue"]


def test_what_was_never_given_is_counted_unless_it_is_optional() -> None:
    replies = Replies()
    replies.add("a")
    replies.add("b")
    replies.add("c", optional=True)
    replies.next()
    assert replies.unused == 1


def test_a_reply_has_one_body() -> None:
    assert make_reply(json={"a": 1}).headers == {"Content-Type": "application/json"}
    assert make_reply(text="é").body == "é".encode()
    assert make_reply(status=204).body == b""
    with pytest.raises(TypeError, match="one body"):
        make_reply(json=1, text="1")


def test_the_timeline_has_two_columns_in_order() -> None:
    timeline = Timeline()
    assert timeline.render() == ""
    timeline.note(PLATFORM, "asks " + "long " * 20)
    timeline.note(BOT, "answers\nin two lines")
    head, first, second, third, fourth = timeline.render().splitlines()
    assert head.split() == ["s", "platform", "|", "bot"]
    assert first.split()[:2] == ["0.000", "asks"]
    assert second.endswith("|")
    assert third.endswith("| answers")
    assert fourth.endswith("| in two lines")


def test_the_timeline_shows_the_last_and_counts_the_rest() -> None:
    timeline = Timeline()
    for number in range(100):
        timeline.note(BOT, f"event {number}")
    shown_lines = timeline.render(last=2).splitlines()
    assert "98 events before these" in shown_lines[1]
    assert shown_lines[-1].endswith("event 99")
    timeline.clear()
    assert timeline.events == []


def test_a_long_line_of_the_log_is_cut() -> None:
    timeline = Timeline()
    timeline.note(BOT, "a" * 100_000)
    text = timeline.render()
    assert len(text) < 2_000
    assert text.endswith("... (100000 in all)")


def test_long_messages_are_cut() -> None:
    assert shown("a" * 10) == "a" * 10
    assert shown(b"\x00") == r"b'\x00'"
    assert shown("a" * 1000).endswith("... (1000 in all)")
    assert shown(b"a" * 1000).endswith("... (1000 in all)")
