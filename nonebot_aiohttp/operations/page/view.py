"""``View``: what each part of the page is made with."""

from __future__ import annotations

from typing import NamedTuple

from .asked import Asked
from .elements import NOTHING, Markup, element, filled
from .moments import Moments
from .texts import Texts


class View(NamedTuple):
    """The words, the moment, and what the page is asked for."""

    texts: Texts
    moments: Moments
    asked: Asked

    def section(self, anchor: str, heading: str, *content: str) -> Markup:
        """Make a section that a link can lead to."""
        return element("section", element("h2", heading), *content, id=anchor)

    def more(self, count: int) -> Markup:
        """Say how many are not shown; nothing if all are."""
        if count <= 0:
            return NOTHING
        return self.note(self.texts("{count} more are not shown.", count=f"{count:,}"))

    def note(self, text: str) -> Markup:
        """Make a paragraph that matters less."""
        return element("p", text, class_="quiet")


def given(text: str, most: int = 120) -> str:
    """Cut a text that others have made up."""
    return text if len(text) <= most else f"{text[:most]}…"


def items(*made: Markup) -> Markup:
    """Make a list of items; nothing without any."""
    return element("ul", *made, class_="items") if made else NOTHING


def item(name: str, *details: str, is_down: bool = False) -> Markup:
    """Make an item: its name, and below it the details that there are."""
    shown = [filled(" <small>{}</small>", each) for each in details if each]
    return element("li", element("b", name), *shown, class_="down" if is_down else None)
