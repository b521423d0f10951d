"""A Sphinx extension for Chinese pages: the words that the theme has in English only."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.locale import get_translation

WORDS = {
    "Back to top": "回到顶部",
    "Copyright &#169; %(copyright)s": "版权所有 &#169; %(copyright)s",
    "Home": "首页",
    "Made with ": "制作工具：",
    '<a href="https://www.sphinx-doc.org/">Sphinx</a> and ': (
        '<a href="https://www.sphinx-doc.org/">Sphinx</a>、'
    ),
    "Next": "下一页",
    "On this page": "本页目录",
    "Previous": "上一页",
    "Skip to content": "跳到正文",
}
"""Texts of furo's templates, and their translations."""

_sphinx = get_translation("sphinx")


def translate(text: str) -> str:
    """Translate a text of a template, by Sphinx' own catalog if it is not ours."""
    return WORDS.get(text.strip()) or WORDS.get(text) or str(_sphinx(text))


def add_words(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Let the templates of a page translate by our words."""
    context["_"] = context["gettext"] = translate


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.connect("html-page-context", add_words)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
