"""Tests of the program that CI runs, with other programs in the place of those that it calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is a program for bash")

README = """
<!-- test command -->
```sh
mkdir -p .venv/bin && cp tox .venv/bin/tox && echo "the command" >> calls
```
"""


TOOLS = ("awk", "bash", "cp", "dirname", "mkdir", "sh")
"""What it needs of the system; another program is there only if a test makes it."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a clone whose README has another command."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    program(tmp_path / "tox", 'echo "tox $*" >> calls')
    program(tmp_path / "bin" / "python3", "exit 0")
    program(tmp_path / "bin" / "nginx", "exit 0")
    program(tmp_path / "bin" / "chromium", "exit 0")
    return tmp_path


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def run(project: Path) -> tuple[int, list[str], str]:
    variables = {**os.environ, "PATH": str(project / "bin"), "HOME": str(project)}
    variables.pop("PYENV_ROOT", None)
    command = [str(project / "bin" / "bash"), str(project / ".ci" / "run")]
    ran = subprocess.run(command, env=variables, capture_output=True, encoding="utf-8")
    calls = project / "calls"
    return ran.returncode, calls.read_text().splitlines() if calls.exists() else [], ran.stderr


APT = "apt-get install --quiet --yes --no-install-recommends"


def make_apt(project: Path, user: int = 0) -> None:
    """Give a system in which packages can be installed."""
    program(project / "bin" / "id", f"echo {user}")
    program(project / "bin" / "apt-get", 'echo "${SUDO}apt-get $*" >> calls')
    program(project / "bin" / "sudo", 'export SUDO="sudo $1 "; shift; exec "$@"')


def test_the_command_of_the_readme_runs_and_then_the_slow_environments(project: Path) -> None:
    make_apt(project)
    code, calls, said = run(project)
    assert code == 0, said
    assert calls == ["the command", "tox run -m slow"]


@pytest.mark.parametrize(("user", "prefix"), [(0, ""), (1000, "sudo --non-interactive ")])
def test_what_venv_lacks_is_installed_before(project: Path, user: int, prefix: str) -> None:
    program(project / "bin" / "python3", "exit 1")
    make_apt(project, user)
    code, calls, said = run(project)
    assert code == 0, said
    assert calls == [
        f"{prefix}apt-get update --quiet",
        f"{prefix}{APT} python3-venv",
        "the command",
        "tox run -m slow",
    ]


def test_without_what_venv_lacks_it_fails(project: Path) -> None:
    program(project / "bin" / "python3", "exit 1")
    program(project / "bin" / "id", "echo 0")
    code, calls, said = run(project)
    assert (code, calls) == (1, [])
    assert "can install python3-venv here" in said


@pytest.mark.parametrize("name", ["nginx", "chromium"])
def test_a_program_that_tests_use_is_installed_before(project: Path, name: str) -> None:
    (project / "bin" / name).unlink()
    make_apt(project)
    code, calls, said = run(project)
    assert code == 0, said
    assert calls == [
        "apt-get update --quiet",
        f"{APT} {name}",
        "the command",
        "tox run -m slow",
    ]


@pytest.mark.parametrize("apt", [None, "exit 100"], ids=["absent", "failing"])
def test_without_a_program_that_tests_use_it_goes_on(project: Path, apt: str | None) -> None:
    (project / "bin" / "nginx").unlink()
    program(project / "bin" / "id", "echo 0")
    if apt is not None:
        program(project / "bin" / "apt-get", apt)
    code, calls, said = run(project)
    assert code == 0, said
    assert calls == ["the command", "tox run -m slow"]
    assert "warning: there is no nginx, so the tests that use it do not run" in said


def test_a_command_that_fails_fails_it(project: Path) -> None:
    program(project / "tox", "exit 3")
    assert run(project)[0] == 3
    (project / "README.md").write_text(README.replace("mkdir", "exit 4; mkdir"))
    assert run(project)[0] == 4


def test_a_readme_without_the_command_fails_it(project: Path) -> None:
    (project / "README.md").write_text("")
    code, calls, said = run(project)
    assert (code, calls) == (1, [])
    assert "README.md has no code block" in said
