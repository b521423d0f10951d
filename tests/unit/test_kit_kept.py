"""Tests of what a test of pytest has of the kit, and of the order of its problems."""

from __future__ import annotations

from typing import cast

from nonebot_aiohttp.testing import BadEnd, BotProcess, Platform, UnexpectedRequests
from nonebot_aiohttp.testing.fixtures.kept import Kept


class Ended:
    """A bot that has ended badly."""

    def finish(self) -> None:
        raise BadEnd("it logged a traceback")


class Asked:
    """A platform that has got what nobody has expected."""

    def check(self) -> None:
        raise UnexpectedRequests("unexpected: GET /x")


def test_a_request_that_nobody_expected_comes_before_the_bad_end_that_it_leads_to() -> None:
    kept = Kept()
    kept.platform = cast(Platform, Asked())
    kept.keep(cast(BotProcess, Ended()))
    assert isinstance(kept.end_body(is_good=True), UnexpectedRequests)
    ((_, others),) = kept.sections("")
    assert others == "BadEnd: it logged a traceback"


def test_a_bad_end_alone_fails_the_test() -> None:
    kept = Kept()
    kept.keep(cast(BotProcess, Ended()))
    assert isinstance(kept.end_body(is_good=True), BadEnd)
