"""Each rule of the kit's suites lets a good adapter pass, and fails one that breaks it.

The rules run in this process, so that what they have in them is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nonebot_aiohttp.testing import ports
from nonebot_aiohttp.testing.drivers import OURS
from nonebot_aiohttp.testing.suites import names_of

from ..support import bad_adapters
from ..support.good_adapter import Adapter as GoodAdapter
from ..support.kit_suites import SUITES, Forward, Polling, Reverse, Small, Webhook, identity, play

pytestmark = pytest.mark.timeout(150)

ports.claim()

PATIENCE = 4.0
"""Seconds for a bot that will not do what a rule waits for."""


@dataclass(frozen=True)
class Bite:
    """A rule that fails an adapter.

    Attributes:
        suite: The suite.
        rule: The name of the rule.
        bad: The adapter, of `bad_adapters`.
        message: What the failure says first.
        driver: The ``DRIVER`` line. This driver waits for handlers, whatever an adapter does.
    """

    suite: type[Small]
    rule: str
    bad: str
    message: str
    driver: str = OURS

    def __str__(self) -> str:
        return f"{self.suite.__name__}-{self.rule}-{self.bad}"


def of_each(suite: type[Small], rule: str, cases: str, bad: str, message: str) -> list[Bite]:
    """Make the bites of a rule whose cases fail for one reason; cases have commas in between."""
    return [Bite(suite, f"{rule}[{case}]", bad, message) for case in cases.split(", ")]


SAYING = "'{}' from the bot did not come within"
CONNECTING = "a WebSocket of the bot did not come within"
NOT_4XX = "answered {}, not with 4xx"

EVERY_WAY = [
    Bite(Webhook, "test_an_event_is_answered", "DropsEvents", SAYING.format("一")),
    Bite(Reverse, "test_a_large_event_is_answered", "CutsTexts", SAYING.format(200_000)),
    *(
        Bite(
            suite,
            "test_an_api_call_that_hangs_stops_nothing_else",
            "CallsOneByOne",
            SAYING.format("free"),
        )
        for suite in (Polling, Forward)
    ),
    *(
        Bite(
            suite,
            "test_a_stop_lets_an_event_in_flight_end",
            "ExitsAtTheStop",
            "the handler was cut off",
            driver,
        )
        for suite, driver in ((Webhook, "~fastapi+~aiohttp"), (Forward, "~none+~aiohttp"))
    ),
    Bite(Polling, "test_a_stop_leaves_nothing_behind", "LeavesATask", "- a task that still runs"),
    Bite(
        Webhook,
        "test_a_call_that_is_refused_with_429_stops_nothing_else",
        "SaysNothingAfter429",
        SAYING.format("after"),
    ),
    Bite(
        Polling,
        "test_a_call_is_not_made_again_before_retry_after",
        "CallsAgainAtOnce",
        r"made again after 0\.\d s, not after 2 s",
    ),
    Bite(
        Webhook,
        "test_a_call_is_not_made_again_before_retry_after",
        "CallsAgainTooSoon",
        r"made again after 1\.\d s, not after 2 s",
    ),
]

BOTH_WEBSOCKETS = [
    Bite(Reverse, "test_garbage_is_survived", "StopsReadingAtGarbage", SAYING.format("survived")),
    Bite(
        Forward,
        "test_tiny_messages_are_survived",
        "DiesAtTinyMessages",
        "the bot has ended, with exit code 3",
    ),
    Bite(
        Reverse,
        "test_a_huge_message_is_survived",
        "ClosesForEverAfterHuge",
        "5 connections ended before an event was answered",
    ),
    Bite(
        Forward,
        "test_a_stop_closes_the_connection",
        "ExitsAtTheStop",
        "the connection ended without a close frame",
    ),
    Bite(
        Reverse,
        "test_a_stop_closes_the_connection",
        "HidesItsEnd",
        "plugins did not hear that the bot is gone",
    ),
]

BACK = "test_a_platform_that_comes_back_is_let_in"

REVERSE = [
    Bite(
        Reverse,
        "test_wrong_credentials_are_refused",
        "AcceptsWrongTokens",
        "accepted, and not closed within",
    ),
    Bite(
        Reverse,
        "test_wrong_credentials_are_refused",
        "LetsStrangersInForAMoment",
        "the bot was connected",
    ),
    Bite(
        Reverse,
        "test_missing_credentials_are_refused",
        "AcceptsNoToken",
        "accepted, and not closed within",
    ),
    Bite(
        Reverse,
        "test_credentials_that_come_late_are_accepted",
        "WantsWholePieces",
        "had no answer within",
    ),
    Bite(
        Reverse,
        "test_an_unknown_path_is_refused",
        "ServesUnknownPaths",
        "accepted, and not closed within",
    ),
    *of_each(Reverse, BACK, "1000, 1006, 4000", "NoticesNoEnd", r"tell\('disconnected'\)"),
    *of_each(Reverse, BACK, "1001, 1012, reset", "LetsNobodyInAgain", "has refused a WebSocket"),
    Bite(
        Reverse,
        "test_of_two_connections_one_works",
        "ForgetsTheSecondConnection",
        SAYING.format("second alone"),
    ),
    Bite(
        Reverse,
        "test_of_two_connections_one_works",
        "EndsBothConnections",
        "neither of the connections works",
    ),
]

FORWARD = [
    Bite(Forward, "test_a_start_without_the_platform_is_made_good", "GivesUp", CONNECTING),
    Bite(Forward, "test_a_refused_handshake_is_made_again", "GivesUpWhenRefused", CONNECTING),
    Bite(
        Forward,
        "test_a_platform_that_is_unavailable_is_tried_again",
        "GivesUpWhenRefused",
        CONNECTING,
    ),
    Bite(Forward, "test_a_slow_platform_is_understood", "WantsWholePieces", SAYING.format("slow")),
    Bite(Forward, "test_a_platform_that_restarts_is_found_again", "GivesUp", CONNECTING),
    *of_each(
        Forward,
        "test_a_connection_that_ends_is_opened_again",
        "1000, 1001, 1006, 1012, 4000, reset",
        "GivesUp",
        CONNECTING,
    ),
]

WEBHOOK = [
    Bite(
        Webhook,
        "test_wrong_credentials_are_refused",
        "AcceptsWrongTokens",
        NOT_4XX.format(204),
    ),
    Bite(Webhook, "test_wrong_credentials_are_refused", "Refuses500", NOT_4XX.format(500)),
    Bite(Webhook, "test_missing_credentials_are_refused", "AcceptsNoToken", NOT_4XX.format(204)),
    Bite(
        Webhook,
        "test_missing_credentials_are_refused",
        "HandlesWhatItRefuses",
        "the event was handled",
    ),
    Bite(
        Webhook,
        "test_credentials_that_come_late_are_accepted",
        "WantsWholePieces",
        "had no answer",
    ),
    Bite(Webhook, "test_an_unknown_path_is_refused", "ServesUnknownPaths", NOT_4XX.format(204)),
    Bite(
        Webhook,
        "test_garbage_is_refused",
        "FailsAtGarbage",
        r"not answered with 4xx: \{.*'no JSON': 500",
    ),
    Bite(Webhook, "test_tiny_bodies_are_survived", "HangsAtTinyBodies", "had no answer"),
    Bite(
        Webhook,
        "test_a_huge_body_is_survived",
        "RefusesAllAfterHuge",
        "an event was answered 503",
    ),
    Bite(
        Webhook,
        "test_a_webhook_that_breaks_is_survived[cut]",
        "HandlesHalfAWebhook",
        "half an event was handled",
    ),
    Bite(
        Webhook,
        "test_a_webhook_that_breaks_is_survived[reset]",
        "IsLostAfterAReset",
        SAYING.format("survived"),
    ),
    Bite(
        Webhook,
        "test_two_events_at_once_are_answered",
        "HandlesOneAtATime",
        SAYING.format("(one|two)"),
    ),
    Bite(
        Webhook,
        "test_a_platform_that_restarts_is_answered_again",
        "KeepsItsFirstConnection",
        SAYING.format("after"),
    ),
    Bite(
        Webhook,
        "test_a_start_without_the_platform_is_made_good",
        "NeedsThePlatform",
        "the bot is not up: it has ended with exit code",
    ),
]

FAULTS = (
    "401, 404, 429, 429 with Retry-After, 500, 503, not JSON, empty object, empty, garbage, cut,"
    " reset"
)

AGAIN = "(a poll after the one that has failed|'and then' from the bot) did not come within"

POLLING = [
    Bite(
        Polling,
        "test_each_event_is_answered_once",
        "HandlesEventsTwice",
        "'one' was said 2 times",
    ),
    Bite(Polling, "test_each_event_is_answered_once", "ConfirmsNothing", r"was said \d+ times"),
    Bite(
        Polling,
        "test_a_poll_without_events_is_followed_by_others",
        "StopsAtAnEmptyPoll",
        SAYING.format("after"),
    ),
    *of_each(
        Polling,
        "test_an_event_that_makes_no_sense_is_survived",
        "nothing, nonsense",
        "StumblesOverNonsense",
        SAYING.format("after"),
    ),
    *of_each(Polling, "test_polls_go_on_after", FAULTS, "GivesUp", AGAIN),
    Bite(
        Polling,
        "test_polls_go_on_after[500]",
        "RepeatsAfterAFault",
        "'before' was said 2 times",
    ),
    Bite(
        Polling,
        "test_a_poll_that_hangs_is_given_up",
        "WaitsForItsPoll",
        "the end of the bot did not come within",
    ),
    Bite(
        Polling,
        "test_the_next_poll_comes_after_retry_after",
        "TriesAgainAtOnce",
        r"made again after 0\.\d s",
    ),
    Bite(Polling, "test_a_huge_event_is_survived", "StumblesOverHuge", SAYING.format("survived")),
    Bite(
        Polling, "test_a_platform_that_restarts_is_found_again", "GivesUp", SAYING.format("after")
    ),
    Bite(
        Polling,
        "test_a_start_without_the_platform_is_made_good",
        "GivesUp",
        SAYING.format("at last"),
    ),
]

BITES = [*EVERY_WAY, *BOTH_WEBSOCKETS, *REVERSE, *FORWARD, *WEBHOOK, *POLLING]

ALL_RULES = [(suite, rule) for suite in SUITES for rule in names_of(suite)]

# Each once: all suites have the rules of every way.
RULES = list({identity(*each): each for each in ALL_RULES}.values())


@pytest.mark.parametrize(
    ("suite", "rule"), [pytest.param(*each, id=f"{each[0].__name__}-{each[1]}") for each in RULES]
)
def test_a_good_adapter_passes(suite: type[Small], rule: str) -> None:
    play(suite, rule)


@pytest.mark.parametrize("bite", BITES, ids=str)
def test_an_adapter_that_breaks_the_rule_fails(bite: Bite) -> None:
    with pytest.raises((AssertionError, ConnectionError), match=bite.message):
        play(bite.suite, bite.rule, bite.bad, PATIENCE, bite.driver)


def test_no_rule_is_without_an_adapter_that_fails_it() -> None:
    bitten = {identity(bite.suite, bite.rule) for bite in BITES}
    assert [rule for suite, rule in RULES if identity(suite, rule) not in bitten] == []


def test_no_bad_adapter_is_without_a_rule() -> None:
    kinds = (each for each in vars(bad_adapters).values() if isinstance(each, type))
    names = {each.__name__ for each in kinds if issubclass(each, GoodAdapter)} - {"Adapter"}
    assert names == {bite.bad for bite in BITES}
