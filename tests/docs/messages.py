"""Collects the texts that the package's source holds, to compare them with the pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.documents import ROOT, Document

PACKAGE = ROOT / "nonebot_aiohttp"
SHOWN = PACKAGE / "operations" / "page"
"""What operators read here is neither raised nor logged."""

TESTING = PACKAGE / "testing"
"""What fails a test tells its author everything there, and needs no page."""

_FEWEST_WORDS = 3
_PLACEHOLDER = re.compile(r"\{[^{}\s]*\}|%[sd]|%\.\d+f")
_SPAN = re.compile(r"(`+) ?(.+?) ?\1(?!`)")


def templates() -> dict[str, str]:
    """Return each text of some words, with ``...`` for its variable parts, and where it stands."""
    found: dict[str, str] = {}
    left_out = {path for room in (SHOWN, TESTING) for path in room.rglob("*.py")}
    for path in sorted({*PACKAGE.rglob("*.py")} - left_out):
        for node in _strings(ast.parse(path.read_text("utf-8"))):
            text = normal(_text(node))
            if len(text.split()) >= _FEWEST_WORDS and re.search("[a-z]", text):
                found.setdefault(text, f"{path.relative_to(PACKAGE)}:{node.lineno}")
    return found


def normal(text: str) -> str:
    """Write a text with ``...`` for each of its variable parts."""
    return re.sub(r"(\.\.\.){2,}", "...", _PLACEHOLDER.sub("...", text)).strip()


def spans(page: Document) -> list[str]:
    """Return the code in the first cells of a page's tables."""
    rows = (line for line in page.prose.splitlines() if line.startswith("| `"))
    return [span for row in rows for _, span in _SPAN.findall(re.split(r" \|(?: |$)", row[2:])[0])]


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        parts = (
            str(each.value) if isinstance(each, ast.Constant) else "..." for each in node.values
        )
        return "".join(parts)
    assert isinstance(node, ast.Constant)
    return str(node.value)


def _strings(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the texts below a node that are not documentation or annotations."""
    if isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    ):
        yield node
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or _is_documentation(node):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _strings(child)


def _is_documentation(node: ast.AST) -> bool:
    """Tell whether a node is a docstring, or what ``description=`` says of a setting."""
    if isinstance(node, ast.keyword):
        return node.arg == "description"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
