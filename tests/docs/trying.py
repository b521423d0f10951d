"""A reader who tries what a page shows: its files, its commands, and what comes of them.

The port 8080 of the pages is a free port here, and shown as 8080 again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.docs.commands import Command, plain_environment
from tests.process.programs import PATIENCE
from tests.support.documents import ROOT, Document
from tests.support.ports import free_port

Test = TypeVar("Test", bound=Callable[..., Any])

PORT = "8080"
LISTENING = r"(Listening|[Rr]unning) on http://127\.0\.0\.1:\d+"


def needs_curl(test: Test) -> Test:
    """Decorate a test whose page uses curl."""
    return test if shutil.which("curl") else pytest.mark.absent("the system has no curl")(test)


class Reader:
    """Somebody in a directory with the files of a page, a clone's examples, and ``.venv``."""

    def __init__(self, page: Path, directory: Path) -> None:
        self.page = Document(page)
        self.directory = directory
        self.port = free_port()
        self.page.write_files(directory)
        for path in directory.rglob("*.py"):
            path.write_text(self.to_port(path.read_text("utf-8")), "utf-8")
        (directory / "examples").symlink_to(ROOT / "examples")
        (directory / ".venv").symlink_to(sys.prefix)

    def to_port(self, text: str) -> str:
        """Put the free port in the place of the page's."""
        return text.replace(f":{PORT}", f":{self.port}")

    def as_shown(self, text: str) -> str:
        """Put the page's port in the place of the free one."""
        return text.replace(f":{self.port}", f":{PORT}")

    def command(self, marker: str) -> str:
        """Return the only line of the page's commands that contains a text."""
        blocks = (block.code for block in self.page.blocks if block.language == "sh")
        (found,) = {line for block in blocks for line in block.splitlines() if marker in line}
        return found

    def starts(self, command: str, **environment: str) -> Command:
        """Start a command of the page, the last part of it where it has ``&&``."""
        line = self._with_python(command.rpartition("&& ")[2]).replace(PORT, str(self.port))
        variables = {"HOST": "127.0.0.1", "PORT": str(self.port), **environment}
        return Command(self.directory, ["sh", "-c", f"exec {line}"], **variables)

    def runs(self, commands: str) -> str:
        """Run commands of the page to their end; return what they print."""
        ran = subprocess.run(
            ["sh", "-e", "-c", self._with_python(self.to_port(commands))],
            cwd=self.directory,
            env=plain_environment(self.directory),
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return self.as_shown(ran.stdout)

    def _with_python(self, command: str) -> str:
        """Let ``python`` and the programs beside it be those of this environment."""
        words = command.split(" ")
        if words[0] in ("python", "uvicorn", "nb"):
            words[0] = f".venv/bin/{words[0]}"
        return " ".join(words)
