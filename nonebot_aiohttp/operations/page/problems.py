"""What an operator has to look at, and the head of the page, which says it first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...connections.records import MOST_GONE
from ..status import Second, Status
from .elements import NOTHING, Markup, element
from .outages import is_down
from .view import View

LATE = 0.5
"""Seconds by which the event loop may be late."""

_DESCRIPTORS = 0.75
# Of the limit; at this share the log warns as well.


def problems(view: View, status: Status, seconds: Sequence[Second]) -> list[tuple[str, str]]:
    """Find the problems: where the page tells of each, and its text."""
    return [*_outages(view, status, seconds), *_of_process(view, status)]


def _outages(view: View, status: Status, seconds: Sequence[Second]) -> Iterator[tuple[str, str]]:
    gone = len(status.gone)
    counted = (
        ("#down", "Connections down: {count}", sum(map(is_down, status.loops)), ""),
        # More may have gone than are remembered.
        ("#down", "Bots gone: {count}", gone, "+" if len(status.gone) >= MOST_GONE else ""),
        ("#load", "Failed in the last five minutes: {count}", sum(s.failures for s in seconds), ""),
    )
    for anchor, text, count, more in counted:
        if count:
            yield anchor, view.texts(text, count=f"{count:,}{more}")


def _of_process(view: View, status: Status) -> Iterator[tuple[str, str]]:
    texts = view.texts
    if is_late(status):
        late = texts("{number} s", number=f"{status.loop_lag:.1f}")
        yield "#process", texts("The event loop was late by {seconds}", seconds=late)
    if lacks_descriptors(status):
        used, limit = f"{status.descriptors:,}", f"{status.descriptor_limit:,}"
        text = "File descriptors in use: {used} of {limit}"
        yield "#process", texts(text, used=used, limit=limit)
    if (expires := status.certificate_expires) is not None:
        if expires <= view.moments.now:
            yield "#process", texts("The certificate has expired")
        elif needs_renewal(status, view.moments.now):
            when = view.moments.relative(expires)
            yield "#process", texts("The certificate expires {when}", when=when)


def needs_renewal(status: Status, now: float) -> bool:
    """Tell whether the certificate should have been renewed, as the log does."""
    due = status.certificate_renewal_due
    return due is not None and due <= now


def is_late(status: Status) -> bool:
    """Tell whether the event loop was blocked in the last minute."""
    return status.loop_lag is not None and status.loop_lag >= LATE


def lacks_descriptors(status: Status) -> bool:
    """Tell whether the file descriptors may soon be used up."""
    used, limit = status.descriptors, status.descriptor_limit
    return used is not None and limit is not None and used >= _DESCRIPTORS * limit


def title(view: View, status: Status, found: Sequence[object]) -> str:
    """Make the page's title, which a browser shows among its other pages."""
    text = "1 problem" if len(found) == 1 else "{count} problems"
    said = [view.texts(text, count=len(found))] if found else []
    return " · ".join([*said, view.texts(status.state), "nonebot_aiohttp"])


def head(view: View, status: Status, found: Sequence[tuple[str, str]]) -> Markup:
    """Say whether the driver is up, and what the problems are."""
    texts, state = view.texts, status.state
    heading = element(
        "h1", texts(state).capitalize(), class_="good" if state == "running" else None
    )
    since = view.moments.lasting(status.state_since)
    bots = texts("Bots connected: {count}", count=f"{sum(status.connected.values()):,}")
    listed = [element("li", element("a", text, href=anchor)) for anchor, text in found]
    told = element("ul", *listed, class_="problems") if listed else NOTHING
    calm = state == "running" and not listed and _is_reached(status)
    quiet = element("p", texts("Nothing is down.")) if calm else NOTHING
    lines = heading, " ", element("span", since), element("p", bots)
    return element("header", *lines, told, quiet, _contents(view))


def _is_reached(status: Status) -> bool:
    """Tell whether anything has come: a bot that never could connect is not known to be down."""
    return bool(status.connected) or any("2xx" in each.answered for each in status.webhooks)


def _contents(view: View) -> Markup:
    anchors = {
        "#load": "Load",
        "#calls": "Calls",
        "#process": "Process",
        "#bots": "Bots",
        "#warnings": "Warnings",
    }
    links = (element("a", view.texts(text), href=href) for href, text in anchors.items())
    return element("nav", *links, aria_label=view.texts("Contents"))
