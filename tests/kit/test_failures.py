"""What an author sees when the kit fails a test, or a test that uses the kit fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pytests import Project, Ran

# Some start a pytest.
pytestmark = pytest.mark.timeout(300)

FAILING = """
def test_unexpected(nonebot_platform):
    ask(nonebot_platform)


def test_unused(nonebot_platform):
    nonebot_platform.on("GET", "/x").reply(json=1)


def test_body(nonebot_platform):
    nonebot_platform.on("GET", "/x").reply(json=1)
    ask(nonebot_platform)
    assert 1 == 2


def test_body_and_unexpected(nonebot_platform):
    ask(nonebot_platform)
    assert 1 == 2


async def test_wait(nonebot_platform):
    nonebot_platform.on("GET", "/y").reply(json=1)
    ask(nonebot_platform, "/y")
    await nonebot_platform.expect("GET", "/x", deadline=0.01)


def test_failed(nonebot_platform):
    ask(nonebot_platform)
    pytest.fail("it is so")


def test_without_events(nonebot_platform):
    assert 1 == 2


def test_skipped(nonebot_platform):
    ask(nonebot_platform)
    pytest.skip("not here")


@pytest.mark.xfail(reason="known")
def test_known(nonebot_platform):
    ask(nonebot_platform)


@pytest.mark.xfail(reason="known", raises=UnusedReplies)
def test_known_for_another_reason(nonebot_platform):
    ask(nonebot_platform)


@pytest.fixture
def user(nonebot_platform):
    ask(nonebot_platform, "/login")
    assert 1 == 2


def test_setup(user):
    pass


@pytest.fixture
def leaver(nonebot_platform):
    yield
    ask(nonebot_platform, "/leave")


def test_teardown(leaver):
    pass


def test_before_the_teardown(leaver, nonebot_platform):
    ask(nonebot_platform, "/before")
"""

EVENTS = "s  platform  "
"""The beginning of the timeline."""

SECTION = "nonebot: platform and bot"

TOO = "nonebot: the test has failed in this, too"


@pytest.fixture(scope="module", params=[(), ("-n", "1")], ids=["one process", "a worker"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run of a suite whose tests fail."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.write_tests(FAILING)
    return project.run(*request.param)


def test_they_fail_themselves(ran: Ran) -> None:
    """Errors are only those of fixtures: of setup, and of what one of them does at its end."""
    assert ran.counts == {"failed": 9, "passed": 1, "skipped": 1, "xfailed": 1, "error": 2}, (
        ran.text
    )
    assert ran.text.count("ERROR at teardown of test_teardown") == 1
    assert ran.text.count("ERROR at setup of test_setup") == 1


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("test_unexpected", "UnexpectedRequests: unexpected: GET /x"),
        ("test_unused", "UnusedReplies: GET /x: 1 of 1 replies never used"),
        ("test_known_for_another_reason", "UnexpectedRequests: unexpected: GET /x"),
        ("test_teardown", "UnexpectedRequests: unexpected: GET /leave"),
        ("test_before_the_teardown", "UnexpectedRequests: unexpected: GET /before"),
    ],
)
def test_checks(ran: Ran, test: str, text: str) -> None:
    shown = ran.part(test)
    assert shown.count(text) == 1
    # Neither the lines of the kit, nor what follows at the end of the platform.
    assert "def check" not in shown
    assert "/leave" not in shown or test == "test_teardown"
    assert TOO not in shown


@pytest.mark.parametrize(
    ("test", "times"),
    [
        ("test_unexpected", 1),
        ("test_unused", 0),  # Nothing has happened.
        ("test_body", 1),
        ("test_body_and_unexpected", 1),
        ("test_wait", 1),
        ("test_failed", 1),
        ("test_without_events", 0),
        ("test_setup", 1),
        ("test_teardown", 1),
        ("test_before_the_teardown", 1),
    ],
)
def test_timeline_is_shown_once(ran: Ran, test: str, times: int) -> None:
    shown = ran.part(test)
    assert shown.count(EVENTS) == times
    in_error = ("test_unexpected", "test_wait", "test_teardown", "test_before_the_teardown")
    assert shown.count(SECTION) == (0 if test in in_error else times)


def test_timeline_begins_anew(ran: Ran) -> None:
    assert "/y" in ran.part("test_wait")
    assert "/y" not in ran.part("test_failed")


@pytest.mark.parametrize("test", ["test_body_and_unexpected", "test_failed"])
def test_body_comes_first(ran: Ran, test: str) -> None:
    shown = ran.part(test)
    body = "E       assert 1 == 2" if test != "test_failed" else "E       Failed: it is so"
    assert body in shown
    too = shown.index(f"{TOO} -")
    assert shown.index(body) < too < shown.index("UnexpectedRequests: unexpected: GET /x", too)


def test_only_the_lines_of_the_test_are_shown(ran: Ran) -> None:
    shown = ran.part("test_wait")
    assert "NothingCame: GET /x did not come within 0.01 s" in shown
    assert re.findall(r"^(\S+\.py):\d+: ", shown, re.M) == ["test_it.py"]


def test_all_lines_on_demand(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write_tests(
        """
        def test_unexpected(nonebot_platform):
            ask(nonebot_platform)
        """
    )
    assert "def check" in project.run("--full-trace").part("test_unexpected")
