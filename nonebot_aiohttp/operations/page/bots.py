"""The part of the page on the bots that are connected: a table, 200 rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from ..source import Found, Source
from ..status import BotStatus, Status
from .asked import Asked
from .elements import NOTHING, Markup, element, filled
from .view import View, given

ROWS = 200
"""Bots on a page."""

_MOST_ADAPTERS = 30
_LONGEST_ID = 64

# The spaces are for browsers without styles, which would write "1" and "2 s ago" as "12 s ago".
_ROW = '<tr><th scope="row"><b>{}</b> <small>{}</small></th><td>{}</td><td>{}{}</td></tr>'


async def find(source: Source, asked: Asked) -> tuple[Found, Asked]:
    """Find the bots that are asked for; a page beyond the last one is the last one."""
    found = await source.find_bots(asked.query, (asked.page - 1) * ROWS, ROWS)
    last = pages(found)
    if asked.page <= last:
        return found, asked
    asked = replace(asked, page=last)
    return await source.find_bots(asked.query, (last - 1) * ROWS, ROWS), asked


def pages(found: Found) -> int:
    """Tell how many pages there are; an empty one, too, is a page."""
    return max(1, -(-found.total // ROWS))


def bots(view: View, status: Status, found: Found) -> Markup:
    """Show some of the bots, and how to come to the others."""
    texts = view.texts
    parts = [_about_search(view, found), _adapters(view, status), _paging(view, found)]
    if found.bots:
        parts.append(_table(view, found))
        parts.append(_paging(view, found))
    elif not view.asked.query:
        parts.append(element("p", texts("No bot is connected.")))
    return view.section("bots", f"{texts('Bots')}: {found.connected:,}", *parts)


def _about_search(view: View, found: Found) -> Markup:
    texts, query = view.texts, view.asked.query
    if query:
        said = texts("Found for “{query}”: {total}", query=query, total=f"{found.total:,}")
        everything = element("a", texts("Show all"), href=view.asked.link("#bots", query=""))
        return element("p", element("span", said), " · ", everything)
    if not found.connected:
        return NOTHING
    how = "To search, add ?q= and a part of an id, an adapter or a way to the address, such as"
    return element("p", texts(how), " ", element("code", "?q=12345"), class_="quiet")


def _adapters(view: View, status: Status) -> Markup:
    links = [
        element("a", given(f"{name}: {count:,}"), href=view.asked.link("#bots", query=name))
        for name, count in islice(status.connected.items(), _MOST_ADAPTERS)
        if name and count
    ]
    return element("p", *links, class_="links") if links else NOTHING


def _paging(view: View, found: Found) -> Markup:
    page, last = view.asked.page, pages(found)
    if last == 1:
        return NOTHING
    places = {"First": 1, "Previous": page - 1, "Next": page + 1, "Last": last}
    links = [
        element("a", view.texts(name), href=view.asked.link("#bots", page=number))
        for name, number in places.items()
        if 1 <= number <= last and number != page
    ]
    where = view.texts("Page {page} of {pages}", page=f"{page:,}", pages=f"{last:,}")
    return element("div", element("p", where), element("p", *links, class_="links"))


def _table(view: View, found: Found) -> Markup:
    names = ("Bot", "Since", "Messages")
    heads = (element("th", view.texts(name), scope="col") for name in names)
    rows = element("tbody", *_rows(view, found.bots))
    return element("table", element("thead", element("tr", *heads)), rows)


def _rows(view: View, shown: tuple[BotStatus, ...]) -> Iterator[Markup]:
    moments, texts = view.moments, view.texts
    for bot in shown:
        kind = f"{bot.adapter} · {texts(bot.way)}" if bot.way else bot.adapter
        messages = "" if bot.messages is None else f"{bot.messages:,}"
        last = NOTHING
        if bot.last_message is not None:
            last = filled(" <small>{}</small>", moments.element(bot.last_message))
        since = moments.element(bot.connected_since)
        yield filled(_ROW, given(bot.id, _LONGEST_ID), given(kind), since, messages, last)
