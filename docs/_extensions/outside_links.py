"""A Sphinx extension for links that leave the pages of one language, such as `../CHANGELOG.md`.

On GitHub such a link leads to a file of the repository. In the site it leads to the page of the
other language, or to the page that shows the file, or it downloads the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

DOCS = Path(__file__).parents[1]

SHOWN = {
    "README.md": "index",
    "README.zh-CN.md": "zh/index",
    "CHANGELOG.md": "changelog",
}
"""The pages that stand for files of the repository."""


class OutsideLinks(SphinxTransform):
    """Replace the links to Markdown files outside, which MyST takes for missing pages."""

    default_priority = 10

    def apply(self, **kwargs: Any) -> None:
        """Look at all links of a page."""
        for link in list(self.document.findall(addnodes.pending_xref)):
            if link["reftype"] == "myst" and link["refdomain"] == "doc":
                target = Path(self.env.srcdir, link["reftarget"] + ".md").resolve()
                if not target.is_relative_to(self.env.srcdir) or self.is_chinese_of_english(target):
                    link.replace_self(self.replacement(link, target))

    def is_chinese_of_english(self, target: Path) -> bool:
        """Tell whether an English page links to a Chinese one."""
        return Path(self.env.srcdir) == DOCS and target.is_relative_to(DOCS / "zh")

    def replacement(self, link: addnodes.pending_xref, target: Path) -> nodes.Element:
        """Make the link to a page of the site, or to a file."""
        page = self.page_of(target)
        if page is None:
            path = Path(os.path.relpath(target, self.env.srcdir)).as_posix()
            return addnodes.download_reference(
                "", "", *link.children, refdoc=link["refdoc"], reftarget=f"/{path}"
            )
        below = "" if Path(self.env.srcdir) == DOCS else "../"
        up = "../" * link["refdoc"].count("/")
        anchor = f"#{link['reftargetid']}" if link.get("reftargetid") else ""
        uri = f"{up}{below}{page}.html{anchor}"
        return nodes.reference("", "", *link.children, refuri=uri, internal=True)

    def page_of(self, target: Path) -> str | None:
        """Return the page of the site that shows a file, or None."""
        if target.is_relative_to(DOCS):
            return target.relative_to(DOCS).with_suffix("").as_posix()
        return SHOWN.get(target.relative_to(DOCS.parent).as_posix())


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.add_transform(OutsideLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
