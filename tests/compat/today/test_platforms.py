"""Adapters on the NoneBot2 that is installed; ``tests/adapters`` has them on the newest, and more.

Each test is one of a suite, which runs a bot in a process of its own.
"""

from __future__ import annotations

import pytest

from nonebot_aiohttp.testing.suites import Suite
from tests.adapters import test_discord, test_telegram

from ..support.choice import Candidate

pytestmark = pytest.mark.timeout(120)

SUITES = [test_telegram.TestPolling, test_telegram.TestWebhook, test_discord.TestGateway]


def test_polled_events_are_answered(client_driver: Candidate) -> None:
    test_telegram.TestPolling().test_an_event_is_answered(client_driver.line)


def test_posted_events_are_answered(bot_driver: Candidate) -> None:
    test_telegram.TestWebhook().test_an_event_is_answered(bot_driver.line)


@pytest.mark.stock_is_wrong("~websockets", "its WebSockets know no proxies", before="2.4.4")
def test_events_of_a_gateway_are_answered(bot_driver: Candidate) -> None:
    test_discord.TestGateway().test_an_event_is_answered(bot_driver.line)


@pytest.mark.stock_is_wrong("~fastapi", "it does not wait for matchers")
@pytest.mark.promise("life: the drain waits for events that NoneBot handles, in whatever task")
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_an_event_in_flight_is_handled_to_its_end(
    bot_driver: Candidate, suite: type[Suite]
) -> None:
    suite().test_a_stop_lets_an_event_in_flight_end(bot_driver.line)
