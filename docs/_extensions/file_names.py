"""A Sphinx extension that shows which file a block of code is: `<!-- file: bot.py -->` above it.

GitHub does not show such a comment. In the site it becomes the caption of the block. `https.env`
is shown as `.env`, because a page may have several of them.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_MARK = re.compile(r"(?:<!-- )?file: (?:\w+(?=\.env))?(\S+)(?: -->)?")


class FileNames(SphinxTransform):
    """Give a caption to each block with a file's name."""

    default_priority = 20

    def apply(self, **kwargs: Any) -> None:
        """Look at all blocks of a page."""
        for block in list(self.document.findall(nodes.literal_block)):
            above = block.parent[block.parent.index(block) - 1]
            mark = _MARK.fullmatch(above.astext().strip())
            if mark and isinstance(above, nodes.comment | nodes.raw):
                block.replace_self(self.with_caption(block, mark[1]))

    def with_caption(self, block: nodes.literal_block, name: str) -> nodes.container:
        """Make what the `caption` of the directive `code-block` makes."""
        caption = nodes.caption("", "", nodes.literal("", name))
        caption.source, caption.line = block.source, block.line
        return nodes.container(
            "", caption, block.deepcopy(), literal_block=True, classes=["literal-block-wrapper"]
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.add_transform(FileNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
