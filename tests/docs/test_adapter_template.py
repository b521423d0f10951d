"""The template for authors of adapters: what somebody who copies its folder gets."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nonebot_aiohttp.testing import OURS
from tests.docs.commands import plain_environment
from tests.support.documents import ROOT

TEMPLATE = ROOT / "examples" / "adapter_template"

TIMEOUT = 900
"""Seconds for all of its tests; on two cores that have nothing else to do they take one minute."""


def copied(directory: Path) -> Path:
    """Copy the template's files, without what tools have left in its folder."""
    left = shutil.ignore_patterns(".*_cache", "__pycache__", "*.egg-info", "build", ".tox", ".venv")
    return Path(shutil.copytree(TEMPLATE, directory / "copied", ignore=left))


def installed(package: Path, directory: Path) -> Path:
    """Make a folder as ``site-packages`` is after an installation: NoneBot with the adapter in it.

    NoneBot's packages are regular ones, so that the adapter is not found anywhere else.
    """
    spec = importlib.util.find_spec("nonebot")
    assert spec is not None
    assert spec.origin is not None
    source, target = Path(spec.origin).parent, directory / "installed" / "nonebot"
    (target / "adapters").mkdir(parents=True)
    for path in (*source.iterdir(), *(source / "adapters").iterdir()):
        if path.name not in ("adapters", "__pycache__"):
            (target / path.relative_to(source)).symlink_to(path)
    (target / "adapters" / "pigeon").symlink_to(package / "nonebot" / "adapters" / "pigeon")
    return target.parent


def run(directory: Path, *arguments: str, **environment: str) -> str:
    """Run a module of Python in the copy; return what it prints."""
    package = copied(directory)
    path = os.pathsep.join((str(installed(package, directory)), str(ROOT)))
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=package,
        env={**plain_environment(directory), "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


@pytest.mark.timeout(TIMEOUT + 60)
def test_it_passes_its_own_tests(tmp_path: Path) -> None:
    """On one driver, because its tox has the others."""
    arguments = ("pytest", "-n", "2", "-p", "no:cacheprovider", "tests")
    printed = run(tmp_path, *arguments, NONEBOT_TEST_DRIVERS=OURS)
    assert re.search(r"=+ \d+ passed", printed), printed
    assert f"nonebot drivers: {OURS}" in printed


def test_it_passes_mypy_strict(tmp_path: Path) -> None:
    assert "strict = true" in (TEMPLATE / "pyproject.toml").read_text("utf-8")
    # The kit is no installed package here, but a part of this tree, whose types are checked apart.
    printed = run(tmp_path, "mypy", "--follow-imports=silent", MYPYPATH=str(ROOT))
    assert "Success: no issues found" in printed


def test_every_file_of_the_package_is_installed() -> None:
    """A package that ``pyproject.toml`` does not name would be missing in the wheel."""
    text = (TEMPLATE / "pyproject.toml").read_text("utf-8")
    (named,) = re.findall(r"^packages = \[(.*)\]$", text, re.MULTILINE)
    found = {path.parent for path in (TEMPLATE / "nonebot").rglob("*.py")}
    packages = {".".join(path.relative_to(TEMPLATE).parts) for path in found}
    assert {name.strip('" ') for name in named.split(",")} == packages
