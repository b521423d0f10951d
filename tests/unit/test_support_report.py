"""Tests that the report of the coverage fails where it has to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.absent import needs
from tests.support.report_coverage import data_file, main, problems

TOX = """
[testenv:report]
depends = one, two
"""

MODULE = """
import sys

def double(number):
    if number > 0:
        return 2 * number
    return 0

for argument in sys.argv[1:]:
    print(double(int(argument)))
"""

SETTINGS = """
[coverage:run]
branch = true
[coverage:report]
fail_under = 98
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project with one module, which two environments run."""
    (tmp_path / "tox.ini").write_text(TOX)
    (tmp_path / "setup.cfg").write_text(SETTINGS)
    (tmp_path / "nonebot_aiohttp").mkdir()
    (tmp_path / "nonebot_aiohttp" / "module.py").write_text(MODULE)
    return tmp_path


def measure(project: Path, environment: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "coverage", "run", "nonebot_aiohttp/module.py", *arguments]
    variables = {**os.environ, "COVERAGE_FILE": str(data_file(project, environment))}
    subprocess.run(command, cwd=project, env=variables, check=True)


def test_an_environment_that_was_skipped_fails_the_report(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_file(project, "one").touch()
    assert main(project) == 1
    said = capsys.readouterr().out
    assert "two has no data: it was skipped, or it has failed" in said
    assert "one has" not in said


def test_data_of_other_code_fail_the_report(project: Path) -> None:
    for environment in ("one", "two"):
        data_file(project, environment).touch()
    assert problems(project) == []
    module = project / "nonebot_aiohttp" / "module.py"
    later = data_file(project, "two").stat().st_mtime + 1
    os.utime(module, (later, later))
    old = f"are older than {module.relative_to(project)}"
    assert problems(project) == [f"the data of {name} {old}" for name in ("one", "two")]


@pytest.mark.parametrize(
    ("two", "fails"),
    [
        pytest.param("0", False, id="together they reach all"),
        pytest.param("2", True, id="one branch is left"),
    ],
)
@pytest.mark.parametrize("tool", [pytest.param("coverage", marks=needs("coverage"))])
def test_the_data_are_taken_together(
    project: Path, two: str, fails: bool, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in the environment "coverage", which measures this test too.
    for name in ("COVERAGE_FILE", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    measure(project, "one", "1")
    measure(project, "two", two)
    assert bool(main(project)) is fails
    # It can be asked for again.
    assert bool(main(project)) is fails
