"""Tests that the Python of the documents is what mypy accepts, and runs beside its page's files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import CHINESE, ROOT, Document, documents

# The Chinese pages have the same code; test_docs.py compares them.
PAGES = [
    path
    for path in documents()
    if CHINESE not in path.parents and path.name != "README.zh-CN.md"
    if any(block.language == "python" for block in Document(path).blocks)
]


def package_of(page: Path) -> str:
    """Return the name of the package that a page's files are for mypy."""
    return re.sub(r"\W", "_", f"page_{page.relative_to(ROOT).with_suffix('').as_posix()}")


def modules_of(page: Path) -> dict[str, str]:
    """Return the code of a page, by the names of modules: its files, and blocks without a name."""
    document = Document(page)
    files = {name: text for name, text in document.files.items() if name.endswith(".py")}
    blocks = [b.code for b in document.blocks if b.language == "python" and not b.file]
    unnamed = {f"block_{number}.py": code for number, code in enumerate(blocks, 1)}
    return files | unnamed


def module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@pytest.mark.parametrize(
    ("page", "file"),
    [
        pytest.param(page, file, id=f"{page.relative_to(ROOT)}:{file}")
        for page in PAGES
        for file in modules_of(page)
    ],
)
def test_a_block_can_be_imported_beside_the_files_of_its_page(
    page: Path, file: str, tmp_path: Path
) -> None:
    Document(page).write_files(tmp_path)
    (tmp_path / file).write_text(modules_of(page)[file], encoding="utf-8")
    command = [sys.executable, "-W", "error", "-c", f"import {module_name(file)}"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    ran = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", timeout=60
    )
    assert ran.returncode == 0, ran.stderr


def in_package(code: str, package: str, names: set[str]) -> str:
    """Let the imports of a page's own modules lead into its package, so that pages do not meet."""
    own = "|".join(map(re.escape, sorted(names)))
    code = re.sub(rf"^(\s*)from ({own})\b", rf"\1from {package}.\2", code, flags=re.MULTILINE)
    return re.sub(
        rf"^(\s*)import ({own})$", rf"\1from {package} import \2", code, flags=re.MULTILINE
    )


def test_all_code_passes_mypy_strict(tmp_path: Path) -> None:
    for page in PAGES:
        package, modules = package_of(page), modules_of(page)
        names = {module_name(file).partition(".")[0] for file in modules}
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        for file, code in modules.items():
            path = tmp_path / package / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(in_package(code, package, names), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    variables = {**os.environ, "MYPYPATH": str(ROOT)}
    ran = subprocess.run(
        [*command, f"--cache-dir={tmp_path / 'cache'}", "."],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
