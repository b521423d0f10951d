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

import pytest

import nonebot_aiohttp
from nonebot_aiohttp.options import PREFIX, DriverOptions
from tests.support.documents import CHINESE, DOCS, READMES, ROOT, Block, Document, documents, pairs

DOCUMENTS = documents()
PAIRS = pairs()
SWITCHING = [folder / "start" / "nonebot2.md" for folder in (DOCS, CHINESE)]
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(params=READMES, ids=lambda path: path.name)
def readme(request: pytest.FixtureRequest) -> Document:
    return Document(request.param)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=DOCUMENTS, ids=name_of)
def document(request: pytest.FixtureRequest) -> Document:
    return Document(request.param)


def format_figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


@pytest.mark.parametrize("page", [*READMES, *SWITCHING], ids=name_of)
def test_the_figures_are_those_of_the_benchmarks(page: Path) -> None:
    paths = json.loads((ROOT / "docs/benchmarks.json").read_text(encoding="utf-8"))["paths"]
    medians = {format_figure(subject["median"]) for path in paths for subject in path["subjects"]}
    document = Document(page)
    cells = [cell for row in document.rows(".*") for cell in row[1:] if re.match(r"\d", cell)]
    figures = [each for cell in cells for each in re.findall(r"(?<![~\w])\d[\d,]*\.?\d*", cell)]
    assert len(figures) >= 8
    assert set(figures) <= medians
    assert "tox -e bench" in document.text


def test_a_readme_has_130_lines_at_most(readme: Document) -> None:
    assert len(readme.text.splitlines()) <= 130


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
        there = {*dir(importlib.import_module(module)), "Config", "Env", "load_config"}
        assert set(names) <= there


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: name_of(pair[1]))
def test_both_languages_have_the_same_parts_and_the_same_code(pair: tuple[Path, Path]) -> None:
    english, chinese = map(Document, pair)
    assert english.levels == chinese.levels
    assert len(english.rows(".*")) == len(chinese.rows(".*"))
    ours, theirs = shared(english), shared(chinese)
    assert [(b.language, b.file) for b in ours] == [(b.language, b.file) for b in theirs]
    assert list(english.files) == list(chinese.files)
    for our, their in zip(ours, theirs, strict=True):
        assert essence(our.language, our.code) == essence(their.language, their.code)


def shared(document: Document) -> list[Block]:
    """Return the blocks of code, without the lists of pages, which differ."""
    return [block for block in document.blocks if not block.language.startswith("{")]


def essence(language: str, code: str) -> str:
    """Take comments and docstrings out of code, which are translated."""
    if language != "python":
        lines = (re.sub(r"(^|\s+)#.*", "", line) for line in code.splitlines())
        return "\n".join(filter(None, lines))
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


def test_the_text_above_a_file_names_it(document: Document) -> None:
    # GitHub does not show the mark. The file ``https.env`` is saved as ``.env``.
    first, *parts = re.split(r"^<!-- file: (\S+) -->\n", document.text, flags=re.MULTILINE)
    for name, above in zip(parts[::2], [first, *parts[1::2]], strict=False):
        saved = ".env" if name.endswith(".env") else name
        assert re.search(rf"`[^`\s]*{re.escape(saved)}`", above.rpartition("```\n")[2]), name


@pytest.mark.parametrize("placeholder", [r"\b[A-Z]+_[A-Z]\b", r"\b(TODO|TBD|FIXME|XXX)\b"])
def test_nothing_is_left_to_fill_in(document: Document, placeholder: str) -> None:
    assert not re.findall(placeholder, document.text)


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
                for position, word in enumerate([*words, "&&"] if words else []):
                    if word == "&&":
                        yield words[:position]
                        words = ["&&"] * (position + 1) + words[position + 1 :]


def test_the_commands_that_are_shown_exist(document: Document) -> None:
    extras, environments = project_names()
    for command in filter(None, commands(document)):
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
