"""The part of the page on the package's last warnings."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from .elements import Markup, element, filled
from .view import View, given, items

MOST_SHOWN = 100
_LONGEST_TEXT = 300

_ITEM = '<li><small><b class="{}">{}</b> · {}<span>{}</span></small><span lang="en">{}</span></li>'


class Warned(Protocol):
    """A warning or an error that was logged, without secrets; empty fields are unknown."""

    @property
    def when(self) -> float:
        """When, in Unix seconds."""

    @property
    def level(self) -> str:
        """The name of its level."""

    @property
    def text(self) -> str:
        """What was logged."""

    @property
    def adapter(self) -> str:
        """The adapter that it is about."""

    @property
    def bot(self) -> str:
        """The bot's id."""

    @property
    def peer(self) -> str:
        """The peer's address."""


def warned(view: View, warnings: Iterable[Warned]) -> Markup:
    """Show the last warnings, the latest first, although they are given with the latest last."""
    latest_first = islice(reversed(list(warnings)), MOST_SHOWN)
    shown = items(*(_warning(view, each) for each in latest_first))
    note = view.note(view.texts("The last warnings, latest first"))
    none = element("p", view.texts("There are no warnings."))
    content = (note, shown) if shown else (none,)
    return view.section("warnings", view.texts("Warnings"), *content)


def _warning(view: View, each: Warned) -> Markup:
    about = [each.adapter] if each.adapter else []
    if each.bot:
        about.append(view.texts("bot {id}", id=each.bot))
    if each.peer:
        about.append(view.texts("peer {address}", address=each.peer))
    emphasis = "" if each.level == "WARNING" else "bad"
    when, rest = view.moments.element(each.when), "".join(f" · {part}" for part in about)
    return filled(_ITEM, emphasis, each.level, when, rest, given(each.text, _LONGEST_TEXT))
