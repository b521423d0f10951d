"""Each trap of docs/traps.md names the tests that guard against it, and these exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

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


def test_each_trap_names_tests() -> None:
    assert TRAPS
    assert [trap for trap in TRAPS if not guards_of(trap)] == []


def test_the_named_tests_exist() -> None:
    assert [test for trap in TRAPS for test in guards_of(trap) if not exists(test)] == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    assert exists("unit/test_traps.py::test_the_named_tests_exist")
    assert not exists("unit/test_traps.py::test_nothing")
    assert not exists("unit/test_nothing.py::test_the_named_tests_exist")
