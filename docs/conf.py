"""How the site is built from the pages: `tox -e docs`. docs/zh/conf.py has what differs in Chinese.

Nothing is loaded from the network, neither by the build nor by a page of the site.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

# Before autodoc changes the annotations of pydantic's classes, with which NoneBot is not imported.
import nonebot  # noqa: E402, F401

from nonebot_aiohttp import __version__  # noqa: E402

project = "nonebot_aiohttp"
author = "nonebot_aiohttp contributors"
copyright = author
version = release = __version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "api_names",
    "file_names",
    "outside_links",
    "two_languages",
]
exclude_patterns = ["zh", "_*"]
nitpicky = True
nitpick_ignore_regex = [
    # Type variables and private types.
    (r"py:.*", r"([\w.]+\.)?(_\w+|ConfigT(_co)?|[DRT])"),
    # What the environment has to have: any object with that attribute will do.
    (r"py:.*", r"nonebot_aiohttp\.standalone\.Environment"),
    # What NoneBot gets is of its own types.
    (r"py:.*", r"nonebot_aiohttp\.nonebot2\.(client|websocket)\.Nonebot\w+"),
    # Packages whose pages we do not link to.
    (r"py:.*", r"(_pytest|loguru|multidict|nonebot|prometheus_client|pydantic|yarl)\..+"),
    # Imported for types alone.
    (r"py:.*", r"CollectorRegistry"),
]
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"

# An <img> may have a width, which GitHub honours, too.
myst_enable_extensions = ["html_image"]
# The anchors of headings, as GitHub makes them.
myst_heading_anchors = 4

# Small inventories of our own, because a build may have no network.
intersphinx_mapping = {
    "aiohttp": ("https://docs.aiohttp.org/en/stable/", str(HERE / "_inventories/aiohttp.inv")),
    "python": ("https://docs.python.org/3/", str(HERE / "_inventories/python.inv")),
}

html_theme = "furo"
html_title = project
html_copy_source = False
html_static_path = [str(HERE / "_static")]
html_css_files = ["site.css"]
# The theme's own style underlines modules, as if they were links.
pygments_dark_style = "github-dark"
templates_path = [str(HERE / "_templates")]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/languages.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
# Without the prompt and the output of a console.
copybutton_exclude = ".linenos, .gp, .go"
