"""The tests that are said to show the promises of the project exist."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.support.promises import PARTS, PROMISES

TESTS = Path(__file__).parents[1]


@cache
def names_in(path: Path) -> frozenset[str]:
    """Collect the names of the tests in a file, without importing it."""
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    functions = (node for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name[:5] == "test_")


def exists(test: str) -> bool:
    """Tell whether there is a test of that file and name."""
    file, _, name = test.partition("::")
    return (TESTS / file).is_file() and name in names_in(TESTS / file)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_shown_by_tests_that_exist(promise: str) -> None:
    missing = [test for test in PROMISES[promise] if not exists(test)]
    assert PROMISES[promise]
    assert not missing


def test_no_promise_is_listed_twice() -> None:
    assert len(PROMISES) == sum(map(len, PARTS))


def test_a_test_that_does_not_exist_is_noticed() -> None:
    assert exists("unit/test_promises.py::test_no_promise_is_listed_twice")
    assert not exists("unit/test_promises.py::test_nothing")
    assert not exists("unit/test_nothing.py::test_no_promise_is_listed_twice")
