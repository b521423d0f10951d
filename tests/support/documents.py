"""Reads the code, tables, links and headings of the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code and its language, which may be empty."""

    language: str
    code: str


class Document:
    """A Markdown file; `prose` is its text without the blocks of code."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.blocks = [Block(*found.groups()) for found in _BLOCK.finditer(self.text)]
        self.prose = _BLOCK.sub("", self.text)

    def code(self, language: str, marker: str = "") -> str:
        """Return the only block of a language that contains a text."""
        (found,) = (b.code for b in self.blocks if b.language == language and marker in b.code)
        return found

    def rows(self, first: str) -> list[list[str]]:
        """Return the rows of tables whose first cell matches a regular expression."""
        lines = (line for line in self.prose.splitlines() if line.startswith("|"))
        return [row for row in map(_cells, lines) if re.fullmatch(first, row[0])]

    def table(self, head: str) -> list[list[str]]:
        """Return the rows of the only table with a text as a cell of its head."""
        tables = (part.splitlines() for part in re.split(r"\n{2,}", self.prose))
        (found,) = (t for t in tables if t[0].startswith("|") and head in _cells(t[0]))
        return [_cells(line) for line in found[2:]]

    @property
    def links(self) -> list[str]:
        """The targets of its links."""
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """The anchors that its headings make, as GitHub makes them."""
        titles = (title.lower() for _, title in _HEADING.findall(self.prose))
        return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}

    @property
    def levels(self) -> list[int]:
        """The levels of its headings, in their order."""
        return [len(marks) for marks, _ in _HEADING.findall(self.prose)]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
