"""A Sphinx extension for pages in two languages: a link from each page to the other language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ENGLISH = Path(__file__).parents[1]
CHINESE = ENGLISH / "zh"


def add_link(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Tell the template where the other language is: the same page, or the first one."""
    here, there, way = (
        (CHINESE, ENGLISH, "../") if Path(app.srcdir) == CHINESE else (ENGLISH, CHINESE, "zh/")
    )
    same = (there / f"{page}.md").exists()
    up = "../" * page.count("/")
    context["other_language"] = f"{up}{way}{page if same else 'index'}.html"
    context["other_language_name"] = "English" if here == CHINESE else "简体中文"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
