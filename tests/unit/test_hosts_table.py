"""The documentation's table of hosts says what the tests of the hosts check."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.process.hosts import HOSTS, PROMISES, exception_to, table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hosts.md").read_text("utf-8")
TESTS = [
    *(ROOT / "tests" / "process").glob("test_hosts_*.py"),
    ROOT / "tests" / "compat" / "today" / "test_events.py",
    ROOT / "tests" / "compat" / "today" / "test_fastapi.py",
]


def checked_promises() -> set[str]:
    """Collect the promises that the tests of the hosts compare with what they see."""
    calls = (node for path in TESTS for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "check"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


@pytest.mark.promise("life: a tested table says which promise holds under which host")
def test_page_shows_the_table() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert [re.split(r" \| ", row.strip("| ")) for row in rows] == table()


@pytest.mark.promise("life: a tested table says which promise holds under which host")
def test_every_promise_is_checked() -> None:
    assert checked_promises() == set(PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_every_exception_is_explained(promise: str) -> None:
    for host in HOSTS:
        instead = exception_to(promise, host)
        assert instead is None or f"**{instead}**" in PAGE
