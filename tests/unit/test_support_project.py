"""Tests that what the project says of itself in two places is the same."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def read(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / name, encoding="utf-8")
    return parser


def test_the_lowest_versions_allowed_are_those_tested() -> None:
    setup = read("setup.cfg")
    lines = setup["options"]["install_requires"].strip().splitlines()
    # The extra that the driver has a part of its own for.
    lines += setup["options.extras_require"]["socks"].strip().splitlines()
    newer_python = 'python_version >= "3.14"'
    allowed = [line.partition(";")[0] for line in lines if newer_python not in line]
    tested = read("tox.ini")["testenv:lowest"]["deps"].split()
    assert {requirement.replace("==", ">=") for requirement in tested} == {
        each for each in allowed if ">=" in each
    }


def test_every_python_of_the_classifiers_is_an_environment() -> None:
    classifiers = read("setup.cfg")["metadata"]["classifiers"]
    versions = re.findall(r"Python :: 3\.(\d+)$", classifiers, re.MULTILINE)
    tox = read("tox.ini")
    newest = tox["testenv:newest"]["base_python"].split(", ")
    # The newest that is there, whichever it is, and others by name.
    assert sorted(newest) == [f"python3.{minor}" for minor in versions]
    covered, *_ = tox["testenv:coverage"]["base_python"].split(",")
    named = re.findall(r"py3(\d+)", tox["tox"]["labels"])
    tested = {*named, covered.removeprefix("python3."), *versions[-2:]}
    assert tested == set(versions)
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    matrix = ", ".join(f'"3.{minor}"' for minor in versions)
    assert f"python: [{matrix}]" in workflow


def imported_by(directory: str) -> Iterator[str]:
    """Yield the names of the modules that a directory's files import, but for relative imports."""
    for path in (ROOT / directory).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield str(node.module)


@pytest.mark.parametrize(("one", "other"), [("tests", "benchmarks"), ("benchmarks", "tests")])
def test_tests_and_benchmarks_do_not_import_each_other(one: str, other: str) -> None:
    packages = {name.partition(".")[0] for name in imported_by(one)}
    assert "nonebot_aiohttp" in packages
    assert other not in packages
