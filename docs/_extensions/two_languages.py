"""A Sphinx extension for pages in two languages: a link from each page to the other language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ENGLISH = Path(__file__).parents[1]
CHINESE = ENGLISH / "zh"


def add_link(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Tell the sidebar where the other language is: the same page, or else the first one."""
    if Path(app.srcdir) == CHINESE:
        there, way, language, name = ENGLISH, "../", "en", "English"
    else:
        there, way, language, name = CHINESE, "zh/", "zh-CN", "简体中文"
    same = page if (there / f"{page}.md").exists() else "index"
    context["other_language_page"] = f"{'../' * page.count('/')}{way}{same}.html"
    context["other_language"] = language
    context["other_language_name"] = name


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
