"""Each trap of docs/traps.md names the tests that guard against it, and these exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.documents import ROOT, Document

TRAPS = re.findall(r"^- .+(?:\n  .+)*", Document(ROOT / "docs/traps.md").text, re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Collect the names of the tests in a file, without importing it."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8"))) if path.is_file() else ()
    functions = (each for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


def guards_of(trap: str) -> list[str]:
    """Find the tests that a trap names."""
    return re.findall(r"`(\S+::\S+)`", trap)


def exists(test: str) -> bool:
    """Tell whether there is a test of that file and name."""
    file, _, name = test.partition("::")
    return name in names_in(ROOT / "tests" / file)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.partition("\n")[0][:60])
def test_a_trap_names_tests_that_exist(trap: str) -> None:
    guards = guards_of(trap)
    assert guards
    assert [test for test in guards if not exists(test)] == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    assert exists("unit/test_traps.py::test_a_trap_names_tests_that_exist")
    assert not exists("unit/test_traps.py::test_nothing")
    assert not exists("unit/test_nothing.py::test_a_trap_names_tests_that_exist")
