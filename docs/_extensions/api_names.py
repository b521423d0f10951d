"""A Sphinx extension for names in docstrings and signatures that could mean several things."""

from __future__ import annotations

from typing import Any

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from nonebot_aiohttp import operations

PLACES = {
    "Adapter": "nonebot.adapters.Adapter",
    "Driver": "nonebot_aiohttp.drivers.Driver",
    "aiohttp.client.ClientSession": "aiohttp.ClientSession",
    "aiohttp.web_app.Application": "aiohttp.web.Application",
    "builtins.type": "type",
    "type": "type",
    **{
        f"nonebot_aiohttp.operations.status.{name}": f"nonebot_aiohttp.operations.{name}"
        for name in operations.__all__
    },
}
"""What is meant by the last part of a name, and by the module where a class is defined."""


class ApiNames(SphinxPostTransform):
    """Complete the names, before Sphinx looks for them."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Look at all names of a page."""
        for name in self.document.findall(addnodes.pending_xref):
            if name.get("refdomain") == "py" and name["reftarget"] in PLACES:
                name["reftarget"] = PLACES[name["reftarget"]]
                for place in ("py:module", "py:class", "refspecific"):
                    name.attributes.pop(place, None)


def write_factories(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returned: str
) -> tuple[str, str] | None:
    """Write `...` for the defaults that dataclasses make, whose text is not Python."""
    if signature and "<factory>" in signature:
        return signature.replace("<factory>", "..."), returned
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it to Sphinx."""
    app.connect("autodoc-process-signature", write_factories)
    app.add_post_transform(ApiNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
