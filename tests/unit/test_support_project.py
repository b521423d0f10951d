"""Tests that what the project says of itself in two places is the same."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

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
    listed = re.search(r"py\{([\d,]+)\}", tox["tox"]["env_list"])
    assert listed is not None
    # On one of them all tests run where their coverage is measured.
    covered, *_ = tox["testenv:coverage"]["base_python"].split(",")
    tested = [*listed[1].split(","), covered.removeprefix("python").replace(".", "")]
    assert sorted(tested) == [f"3{minor}" for minor in versions]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    matrix = ", ".join(f'"3.{minor}"' for minor in versions)
    assert f"python: [{matrix}]" in workflow
