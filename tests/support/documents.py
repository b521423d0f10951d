"""Reads the code, tables, links and headings of the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")

DOCS = ROOT / "docs"
CHINESE = DOCS / "zh"

_BLOCK = re.compile(
    r"(?:^<!-- file: (\S+) -->\n)?^```([\w{}-]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_BORROWED = re.compile(r"^<!-- file: (\S+) of (\S+) -->$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code, its language, which may be empty, and the file that it is, if any.

    A comment on the line before the block names the file: ``<!-- file: bot.py -->``.
    """

    language: str
    code: str
    file: str = ""


class Document:
    """A Markdown file; `prose` is its text without the blocks of code."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.blocks = [
            Block(language, code, file) for file, language, code in _BLOCK.findall(self.text)
        ]
        self.prose = _BLOCK.sub("", self.text)

    def code(self, language: str, marker: str = "") -> str:
        """Return the only block of a language that contains a text."""
        (found,) = (b.code for b in self.blocks if b.language == language and marker in b.code)
        return found

    @property
    def files(self) -> dict[str, str]:
        """The files that it shows, and those that it takes from other pages, with their texts.

        ``<!-- file: bot.py of four-ways.md -->`` takes a file from a page, which is named as a link
        names it.
        """
        files = {}
        for name, page in _BORROWED.findall(self.text):
            files[name] = Document(self.path.parent / page).files[name]
        return files | {block.file: block.code for block in self.blocks if block.file}

    def write_files(self, directory: Path) -> None:
        """Write its files as a reader would save them."""
        for name, text in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

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


def documents() -> list[Path]:
    """Return the READMEs, CONTRIBUTING.md and the pages."""
    return [*READMES, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("**/*.md"))]


def pairs() -> list[tuple[Path, Path]]:
    """Return what exists in both languages: in English, and in Chinese."""
    pages = ((DOCS / page.relative_to(CHINESE), page) for page in sorted(CHINESE.glob("**/*.md")))
    return [READMES, *pages]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
