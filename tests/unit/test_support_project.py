"""Tests that what the project says of itself in two places is the same."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.report_coverage import measuring_environments

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
TEMPLATE = ROOT / "examples" / "adapter_template"


def read(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / name, encoding="utf-8")
    return parser


def environments(setting: str) -> list[str]:
    return [name.strip() for name in setting.split(",")]


def slow_environments() -> list[str]:
    return environments(read("tox.ini")["tox"]["labels"].partition("slow = ")[2])


def workflow_runs() -> Iterator[list[str]]:
    """Yield the environments of each run of tox in the GitHub workflow."""
    workflow = (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    for names in re.findall(r"tox run -e (\S+)", workflow):
        yield environments(names)


def test_the_lowest_versions_allowed_are_those_tested() -> None:
    setup = read("setup.cfg")
    lines = setup["options"]["install_requires"].strip().splitlines()
    # The extras that the driver has a part of its own for.
    for extra in ("metrics", "socks"):
        lines += setup["options.extras_require"][extra].strip().splitlines()
    newer_python = 'python_version >= "3.14"'
    allowed = [line.partition(";")[0] for line in lines if newer_python not in line]
    of_coverage, *tested = read("tox.ini")["testenv:lowest"]["deps"].split()
    assert of_coverage == "{[coverage]deps}"
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
    named = re.findall(r"py3(\d+)", tox["tox"]["labels"])
    tested = {*named, *versions[-2:]}
    assert tested == set(versions)
    workflow = (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    matrix = ", ".join(f'"3.{minor}"' for minor in versions)
    assert f"python: [{matrix}]" in workflow


def test_the_workflow_runs_all_environments() -> None:
    ran = {name for run in workflow_runs() for name in run}
    default = environments(read("tox.ini")["tox"]["env_list"])
    # "py" is the Python of the matrix: each of those that have names, and the newest.
    named = {name for name in [*default, *slow_environments()] if not re.match(r"py\d", name)}
    assert ran == (named - {"newest"}) | {"py"} | set(measuring_environments(ROOT))


def test_the_report_follows_what_it_combines() -> None:
    measuring = set(measuring_environments(ROOT))
    for run in [slow_environments(), *workflow_runs()]:
        if "report" in run:
            assert measuring <= set(run[: run.index("report")])
        else:
            # On macOS and Windows, too, which measure nothing that is combined.
            assert measuring & set(run) <= {"lowest"}


def test_what_measures_is_combined() -> None:
    tox = read("tox.ini")
    sections = {
        name.removeprefix("testenv:")
        for name in tox.sections()
        if "coverage run" in tox[name].get("commands", "")
    }
    assert sections == set(measuring_environments(ROOT))
    for name in sections:
        assert tox[f"testenv:{name}"]["set_env"] == "{[coverage]set_env}"
    assert tox["coverage"]["set_env"] == "COVERAGE_FILE = {tox_root}/.coverage-{env_name}"


def test_the_workflow_installs_the_pythons_that_the_environments_name() -> None:
    workflow = (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    (job,) = (part for part in workflow.split("\n\n  ") if part.startswith("nonebot2:"))
    installed = set(re.findall(r"^ +(3\.\d+)$", job, re.MULTILINE))
    tox = read("tox.ini")
    settings = (tox[f"testenv:{name}"] for name in measuring_environments(ROOT))
    named = [each["base_python"] for each in settings if "base_python" in each]
    assert installed == {each.split(",")[0].removeprefix("python") for each in named}


def test_the_quick_environment_shows_the_four_ways() -> None:
    files = read("tox.ini")["quick"]["ways"].replace("\\", "").split()
    assert all((ROOT / file).exists() for file in files)
    names = {Path(file).stem.removeprefix("test_") for file in files}
    assert names == {"webhook", "reverse_websocket", "polling", "forward_websocket"}


def test_what_github_reads_is_checked() -> None:
    checked = read("tox.ini")["github"]
    workflows = (WORKFLOWS, TEMPLATE / ".github" / "workflows")
    for setting, folders in (("workflows", workflows), ("forms", (FORMS,))):
        found = (path for folder in folders for path in folder.glob("*.yml"))
        files = {path.relative_to(ROOT).as_posix() for path in found}
        assert set(checked[setting].replace("\\", "").split()) == files


def test_pyproject_says_how_to_build_and_nothing_else() -> None:
    """Else tools would take their settings from there, and overlook those in setup.cfg."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"^\[.*\]$", text, re.MULTILINE) == ["[build-system]"]


def imported_by(directory: str) -> Iterator[str]:
    """Yield the names of the modules that a directory's files import, but for relative imports.

    Without the tests of the documents, which speak of everything.
    """
    documents = ROOT / "tests" / "docs"
    for path in {*(ROOT / directory).rglob("*.py")} - {*documents.rglob("*.py")}:
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
