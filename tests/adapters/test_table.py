"""The page docs/adapters.md shows what these suites know."""

from __future__ import annotations

from . import table


def test_the_page_shows_what_the_suites_know() -> None:
    page = table.PAGE.read_text("utf-8")
    assert page == table.written(page), "run python -m tests.adapters.table"


def test_each_adapter_has_suites() -> None:
    assert {suite.adapter for suite in table.found_suites()} == table.ADAPTERS.keys()


def test_each_reason_is_a_sentence() -> None:
    for suite in table.found_suites():
        for test, known in suite.known.items():
            assert known.reason[0].isupper(), (suite, test)
            assert known.reason.endswith("."), (suite, test)
