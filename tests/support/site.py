"""Reads the pages of the built site."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

LOADING = {"script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data"}
"""The attributes by which an element has a browser load something, but for `link`."""


@dataclass
class Page:
    """A page of the site: its links, what it loads, and what links may lead to."""

    path: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    languages: list[str] = field(default_factory=list)
    """The links to the same page in the other language."""


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is for."""
        values = {name: value or "" for name, value in attrs}
        self._page.ids.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self._page.links.append(values["href"])
            if "hreflang" in values:
                self._page.languages.append(values["href"])
        if tag == "link":
            self._page.loaded.append(values["href"])
        if LOADING.get(tag, "") in values:
            self._page.loaded.append(values[LOADING[tag]])


def read_page(path: Path) -> Page:
    """Read a page of the built site."""
    page = Page(path)
    _Reader(page).feed(path.read_text(encoding="utf-8"))
    return page


def read_site(directory: Path) -> dict[Path, Page]:
    """Read all pages of the built site."""
    return {path: read_page(path) for path in sorted(directory.rglob("*.html"))}
