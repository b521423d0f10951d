"""What the page calls a problem, and what is no reason to wake anybody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nonebot_aiohttp.operations.page.texts import CHINESE, ENGLISH, Texts
from nonebot_aiohttp.operations.status import (
    CallStatus,
    MessageStatus,
    Status,
    WebhookStatus,
)
from tests.support.parsed import shown
from tests.support.sources import QUIET, TROUBLED, FakeSource, some_bots


def texts_of(status: Status) -> str:
    return shown(FakeSource(status)).text


@pytest.mark.parametrize(("ok", "marked"), [(89, True), (90, False), (0, True)])
def test_a_host_is_marked_where_more_than_a_tenth_of_its_calls_fail(ok: int, marked: bool) -> None:
    status = replace(QUIET, calls=(CallStatus("a.example", ok, 4, 3, 3),))
    page = shown(FakeSource(status))
    assert "failed: 10 (4xx: 4, 5xx: 3, no answer: 3)" in page.text
    assert ({"class": "down"} in page.of("li")) is marked


@pytest.mark.parametrize(("number", "said"), [(99, "99\n"), (100, "100+\n")])
def test_more_bots_may_have_gone_than_are_remembered(number: int, said: str) -> None:
    status = replace(TROUBLED, gone=TROUBLED.gone[:1] * number)
    assert f"Bots gone: {said}" in texts_of(status)


@pytest.mark.parametrize(
    ("language", "said"), [(ENGLISH, "an unknown adapter"), (CHINESE, "未知适配器")]
)
def test_what_no_adapter_has_claimed_has_a_name_in_each_language(language: str, said: str) -> None:
    status = replace(TROUBLED, messages=(MessageStatus("unknown", 1, 0),))
    assert said in shown(FakeSource(status), texts=Texts(language)).text


@pytest.mark.parametrize(
    ("bots", "answered", "is_known"),
    [(0, {}, False), (1, {}, True), (0, {"2xx": 1}, True), (0, {"4xx": 9}, False)],
)
def test_where_no_bot_has_come_nobody_says_that_nothing_is_down(
    bots: int, answered: dict[str, int], is_known: bool
) -> None:
    """Under NoneBot2 a bot whose token is refused never connects, and is not missed."""
    status = replace(QUIET, webhooks=(WebhookStatus("my", answered),))
    text = shown(FakeSource(status, some_bots(bots))).text
    assert ("Nothing is down." in text) is is_known
