"""Tests that what the documents say is so: settings, code, commands, links and versions."""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nonebot_aiohttp
from nonebot_aiohttp.options import MIB, PREFIX, DriverOptions
from tests.support.documents import READMES, ROOT, Document

DOCUMENTS = [*READMES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
WORDS = {"README.md": ("none", "empty"), "README.zh-CN.md": ("无", "空")}
"""How the tables of settings spell None and the empty set."""


@pytest.fixture(params=READMES, ids=lambda path: path.name)
def readme(request: pytest.FixtureRequest) -> Document:
    return Document(request.param)


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.name)
def document(request: pytest.FixtureRequest) -> Document:
    return Document(request.param)


def shown(name: str, value: Any, none: str, empty: str) -> str:
    """Spell a default as the tables do."""
    if value is None:
        return none
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`"
    if isinstance(value, float):
        return f"{value:g} s"
    if isinstance(value, frozenset):
        return empty if not value else str(value)
    if not name.endswith(("_size", "_memory")):
        return f"{value:,}"
    return f"{value // MIB} MiB" if value >= MIB else f"{value // 1024} KiB"


@pytest.mark.promise("data: every limit is a setting with a default for bots")
def test_the_table_of_settings_has_all_of_them_with_their_defaults(readme: Document) -> None:
    options, words = DriverOptions.parse({}), WORDS[readme.path.name]
    expected = [
        [f"`{PREFIX}{name}`", shown(name, getattr(options, name), *words)]
        for name in DriverOptions.__annotations__
    ]
    rows = readme.rows(r"`aiohttp_\w+`")
    assert [row[:2] for row in rows] == expected
    assert all(len(row) == 3 and row[2] for row in rows)


def format_figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def test_the_table_of_speed_is_that_of_the_run(readme: Document) -> None:
    paths = json.loads((ROOT / "docs/benchmarks.json").read_text(encoding="utf-8"))["paths"]
    rows = readme.table("`nonebot_aiohttp.nonebot2`")
    assert len(rows) == len(paths)
    for row, path in zip(rows, paths, strict=True):
        medians = {format_figure(subject["median"]) for subject in path["subjects"]}
        ratios = {f"{each['ratio']:.2f}" for each in (*path["subjects"], *path["targets"])}
        shown = re.findall(r"\d[\d,.]*\d", " ".join(row[1:]))
        assert len(shown) >= len(row) - row.count("-") - 1
        assert set(shown) <= medians | ratios


def test_the_settings_of_nonebot_are_listed(readme: Document) -> None:
    # Read as text: importing it needs pydantic-settings.
    module = ast.parse((ROOT / "nonebot_aiohttp/config.py").read_text(encoding="utf-8"))
    (config,) = (n for n in module.body if isinstance(n, ast.ClassDef) and n.name == "Config")
    fields = [f"`{n.target.id}`" for n in config.body if isinstance(n, ast.AnnAssign)]  # type: ignore[union-attr]
    assert re.search("[、, ]*\\s*".join(fields), readme.prose)


def test_every_setting_that_is_named_exists(document: Document) -> None:
    named = set(re.findall(r"(?<!\.)\baiohttp_[a-z_]+\b", document.text.lower()))
    modules = {path.stem for path in (ROOT / "nonebot_aiohttp").rglob("*.py")}
    assert named - modules <= {PREFIX + name for name in DriverOptions.__annotations__}


def test_the_code_compiles_and_imports_what_there_is(document: Document) -> None:
    for block in document.blocks:
        if block.language == "python":
            for node in ast.walk(ast.parse(block.code)):
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    check_import(node.module, [alias.name for alias in node.names])


def check_import(module: str, names: list[str]) -> None:
    if module.partition(".")[0] == "nonebot_aiohttp":
        there = {*vars(importlib.import_module(module)), "Config", "Env", "load_config"}
        assert set(names) <= there


def test_both_languages_have_the_same_parts_and_the_same_code() -> None:
    english, chinese = map(Document, READMES)
    assert english.levels == chinese.levels
    assert len(english.rows(".*")) == len(chinese.rows(".*"))
    assert [b.language for b in english.blocks] == [b.language for b in chinese.blocks]
    for ours, theirs in zip(english.blocks, chinese.blocks, strict=True):
        assert essence(ours.language, ours.code) == essence(theirs.language, theirs.code)


def essence(language: str, code: str) -> str:
    """Take comments and docstrings out of code, which are translated."""
    if language != "python":
        return re.sub(r"^\s*#.*\n", "", code, flags=re.MULTILINE)
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


def test_links_lead_to_what_there_is(document: Document) -> None:
    for link in document.links:
        if not re.match(r"https?://", link):
            path, _, anchor = link.partition("#")
            target = document.path.parent / path if path else document.path
            assert target.exists(), link
            assert not anchor or anchor in Document(target).anchors, link


def commands(document: Document) -> Iterator[list[str]]:
    """Yield the words of each command that is shown."""
    for block in document.blocks:
        if block.language in ("sh", "console"):
            for line in block.code.splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                for position, word in enumerate([*words, "&&"]):
                    if word == "&&":
                        yield words[:position]
                        words = ["&&"] * (position + 1) + words[position + 1 :]


def test_the_commands_that_are_shown_exist(document: Document) -> None:
    extras, environments = project_names()
    for command in commands(document):
        words = [word for word in command if word != "&&"]
        for word, argument in zip(words, [*words[1:], ""], strict=True):
            if re.fullmatch(r"(examples|tests|docs|benchmarks)/.*", word):
                assert (ROOT / word).exists(), word
            if found := re.fullmatch(r"\.\[([\w,]+)\]", word):
                assert set(found[1].split(",")) <= extras, word
            if word == "-e" and Path(words[0]).name == "tox":
                assert set(argument.split(",")) <= environments, argument


def project_names() -> tuple[set[str], set[str]]:
    """Read the names of the extras and of tox's environments."""
    setup, tox = configparser.ConfigParser(), configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    pythons = {f"py{version}" for version in ("310", "311", "312", "313", "314")}
    sections = (name.partition(":")[2] for name in tox.sections())
    return set(setup["options.extras_require"]), {name for name in sections if name} | pythons


def test_the_two_commands_are_one_line_each(readme: Document) -> None:
    start, test = (b.code for b in readme.blocks if b.code.startswith("python3 -m venv"))
    assert re.fullmatch(r".*\.\[standalone,speedups\].* examples/onebot_echo\.py\n", start)
    assert re.fullmatch(r".*tox\n", test)
    assert f"<!-- test command -->\n```sh\n{test}```\n" in readme.text


def test_the_changelog_ends_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert versions[0] == nonebot_aiohttp.__version__
    assert versions == sorted(versions, key=lambda v: [*map(int, v.split("."))], reverse=True)
