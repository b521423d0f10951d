"""What is said where an extra is missing."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.documents import ROOT

UNQUOTED = re.compile(r"pip install (?:-\S+ )*[^\s\"']+\[")
"""zsh takes brackets for a pattern of file names, and says `no matches found`."""


@pytest.mark.promise("data: a command that installs an extra can be pasted into any shell")
def test_every_extra_to_install_is_quoted() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.toml", "*.yml"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    names = listed.stdout.split("\n") if not listed.returncode else []
    files = [ROOT / name for name in names if name] or [*(ROOT / "nonebot_aiohttp").rglob("*.py")]
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files
        if path.is_file() and (found := UNQUOTED.search(path.read_text("utf-8")))
    ]
    assert wrong == []
