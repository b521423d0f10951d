"""The part of the page on the package's last warnings."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ...log.own import LONGEST_RECENT, MOST_RECENT, Recent
from .elements import Markup, element, filled
from .view import View, given, items

_ITEM = '<li><small><b class="{}">{}</b> · {}<span>{}</span></small><span lang="en">{}</span></li>'


def warned(view: View, warnings: Iterable[Recent]) -> Markup:
    """Show the last warnings, the latest first, although they are given with the latest last."""
    latest_first = islice(reversed(list(warnings)), MOST_RECENT)
    shown = items(*(_warning(view, each) for each in latest_first))
    note = view.note(view.texts("The last warnings, latest first"))
    none = element("p", view.texts("There are no warnings."))
    content = (note, shown) if shown else (none,)
    return view.section("warnings", view.texts("Warnings"), *content)


def _warning(view: View, each: Recent) -> Markup:
    about = [each.adapter] if each.adapter else []
    if each.bot:
        about.append(view.texts("bot {id}", id=each.bot))
    if each.peer:
        about.append(view.texts("peer {address}", address=each.peer))
    emphasis = "" if each.level == "WARNING" else "bad"
    when, rest = view.moments.element(each.when), "".join(f" · {part}" for part in about)
    return filled(_ITEM, emphasis, each.level, when, rest, given(each.text, LONGEST_RECENT))
