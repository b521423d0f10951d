"""Rules of the kit's suites that are known to fail, or do not apply, in a pytest of their own.

The suite starts no bot: its `run` decides what a rule comes to.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.suites import Known, PollingSuite, WebhookSuite, names_of
from nonebot_aiohttp.testing.suites.rules import WITHOUT, check_known
from tests.support.pytests import Project, Ran

ports.claim()

SUITE = """
from nonebot_aiohttp.testing.suites import Known, PollingSuite

FAIL = {"test_an_event_is_answered one", "test_polls_go_on_after 500 one"}


class TestIt(PollingSuite):
    drivers = ("one", "other")
    api = None
    known = {
        "test_an_event_is_answered": Known("only under one", drivers=("one",)),
        "test_polls_go_on_after[500]": Known("only at 500", drivers=("one",)),
        "test_each_event_is_answered_once": Known("mended since"),
    }

    def settings(self, platform):
        return {}

    def event(self, text):
        return {}

    def said(self, call):
        return None

    def result(self, call):
        return None

    def updates(self, platform):
        return platform.updates("GET", "/")

    def run(self, test, driver):
        status = [str(fault.status) for fault in test.args[1:] if hasattr(fault, "status")]
        words = [test.func.__name__, *status, driver]
        assert " ".join(words) not in FAIL, "this is broken"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without tests."""
    return Project(tmp_path)


def outcomes(ran: Ran, outcome: str) -> set[str]:
    """Return the names of the tests that a run says to have that outcome."""
    lines = (line.split() for line in ran.text.splitlines())
    return {words[0].rpartition("::")[2] for words in lines if words[1:2] == [outcome]}


def test_what_is_known_is_a_strict_xfail_of_these_cases_under_these_drivers(
    project: Project,
) -> None:
    project.write_tests(SUITE, "")
    ran = project.run("-v", "-rx", env={"COLUMNS": "200"})
    assert ran.code == 1
    assert outcomes(ran, "XFAIL") == {
        "test_an_event_is_answered[one]",
        "test_polls_go_on_after[500-one]",
    }
    assert "only under one" in ran.text
    mended = {f"test_each_event_is_answered_once[{driver}]" for driver in ("one", "other")}
    assert outcomes(ran, "FAILED") == mended
    assert "[XPASS(strict)] mended since" in ran.text
    skipped = outcomes(ran, "SKIPPED")
    assert skipped == {
        f"{name}[{driver}]"
        for name in (
            "test_a_call_that_is_refused_with_429_stops_nothing_else",
            "test_a_call_is_not_made_again_before_retry_after",
        )
        for driver in ("one", "other")
    }


def test_what_fails_and_is_not_known_fails(project: Project) -> None:
    project.write_tests(
        SUITE.replace("FAIL = {", "FAIL = {'test_polls_go_on_after 404 other', "), ""
    )
    ran = project.run("-v", "-k", "404")
    assert outcomes(ran, "FAILED") == {"test_polls_go_on_after[404-other]"}
    assert "this is broken" in ran.text


def test_a_name_that_no_rule_has_fails_the_collection(project: Project) -> None:
    project.write_tests(SUITE.replace("is_answered_once", "is_answered_twice"), "")
    ran = project.run()
    assert ran.code == 2
    assert "TestIt.known has test_each_event_is_answered_twice, which it does not test" in ran.text
    assert "passed" not in ran.text


@pytest.mark.parametrize("case", ["test_polls_go_on_after[999]", "test_nothing"])
def test_wrong_names(case: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"known has {re.escape(case)}, which"):
        check_known(PollingSuite, {case: Known("it does not exist")})


@pytest.mark.parametrize("attribute", WITHOUT)
def test_rules_that_need_something(attribute: str) -> None:
    """A rule that is left out is no rule of the suite, so nothing is known of it."""
    values = {"api": ("POST", "/"), "token": "token"}
    whole = names_of(type("Whole", (WebhookSuite,), values))
    left = names_of(type("Left", (WebhookSuite,), {**values, attribute: None}))
    missing = set(whole) - set(left)
    assert len(missing) == 2
    assert missing == {
        name
        for name in whole
        if getattr(getattr(WebhookSuite, name.partition("[")[0]), "needs", None) == attribute
    }


def test_a_suite_that_lacks_something_is_an_error() -> None:
    """Pytest collects no abstract class, so a misspelt method would leave all of its tests out."""
    with pytest.raises(TypeError, match="TestHalf lacks event, headers, result, said, settings"):
        type("TestHalf", (WebhookSuite,), {"path": "/"})
    with pytest.raises(TypeError, match=r"TestNowhere lacks event, .*, path: fill that in"):
        type("TestNowhere", (WebhookSuite,), {})
    assert issubclass(type("Common", (WebhookSuite,), {}), WebhookSuite)
