"""Tests that what cannot run is deselected, and that pytest says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.absent import missing, needs

ROOT = Path(__file__).parents[2]

CONFTEST = """
from tests.support import absent

def pytest_configure(config):
    absent.register(config)

def pytest_ignore_collect(collection_path, config):
    return absent.leave_out(config, collection_path, {"test_other.py": "not installed: other"})
"""

TESTS = """
import pytest
from tests.support.absent import needs

@pytest.mark.parametrize("loop", ["asyncio", pytest.param("none", marks=needs("no-such-package"))])
def test_loops(loop):
    assert loop == "asyncio"

def test_by_name():
    pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Give a folder of tests, of which one file cannot be imported."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_loops.py").write_text(TESTS)
    (tmp_path / "test_other.py").write_text("import other\n")
    return tmp_path


def run_pytest(suite: Path, *arguments: str) -> tuple[int, str]:
    """Run the suite with no plugin but pytest-xdist: others take long to import."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(
        command, cwd=suite, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_what_cannot_run_is_counted_and_listed(suite: Path, workers: tuple[str, ...]) -> None:
    code, output = run_pytest(suite, "-k", "not by_name", *workers)
    assert code == 0, output
    assert re.search(r"1 passed, 3 deselected in", output), output
    assert "DESELECTED [1] not installed: other: test_other.py\n" in output
    named = "DESELECTED [1] not installed: no-such-package: test_loops.py::test_loops[none]\n"
    assert named in output


def test_only_what_was_asked_for_is_named(suite: Path) -> None:
    _, output = run_pytest(suite, "test_loops.py::test_by_name")
    assert re.search(r"1 passed in", output), output
    assert "DESELECTED" not in output


def test_nothing_left_to_run_has_an_exit_code_of_its_own(suite: Path) -> None:
    (suite / "test_loops.py").unlink()
    code, output = run_pytest(suite)
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, output
    assert re.search(r"1 deselected in", output), output


def test_what_is_installed_is_not_missing() -> None:
    assert missing("pytest", "no-such-package") == ["no-such-package"]
    assert needs("pytest") == []
