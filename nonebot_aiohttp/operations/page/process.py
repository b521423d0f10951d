"""The part of the page on the process: its age, the event loop, descriptors, certificate."""

from __future__ import annotations

from collections.abc import Iterator

from ..status import Status
from .elements import Markup, element
from .problems import is_late, lacks_descriptors, needs_renewal
from .view import View, given


def process(view: View, status: Status) -> Markup:
    """Show the facts about the process; what is a problem stands out."""
    made = [part for fact in _facts(view, status) for part in _pair(view, *fact)]
    return view.section("process", view.texts("Process"), element("dl", *made))


def _pair(view: View, name: str, value: str, is_bad: bool = False) -> tuple[Markup, Markup]:
    shown = (
        element("dd", element("b", "⚠ ", value), class_="bad") if is_bad else element("dd", value)
    )
    return element("dt", view.texts(name)), shown


def _facts(view: View, status: Status) -> Iterator[tuple[str, str] | tuple[str, str, bool]]:
    texts, moments = view.texts, view.moments
    if status.uptime is not None:
        yield "Running for", moments.duration(status.uptime)
    if (lag := status.loop_lag) is not None:
        shown = f"{lag * 1000:.0f} ms" if lag < 1 else texts("{number} s", number=f"{lag:.1f}")
        at_most = texts("at most {seconds} in the last minute", seconds=shown)
        yield "Event loop late by", at_most, is_late(status)
    if status.descriptors is not None:
        limit = status.descriptor_limit
        most = texts("unknown") if limit is None else f"{limit:,}"
        used = texts("{used} of {limit}", used=f"{status.descriptors:,}", limit=most)
        yield "File descriptors", used, lacks_descriptors(status)
    if status.loops:
        up = sum(loop.state == "connected" for loop in status.loops)
        yield (
            "Connections that the bot makes",
            texts("{up} of {all} connected", up=f"{up:,}", all=f"{len(status.loops):,}"),
        )
    yield "Webhooks in work", f"{status.webhooks_in_work:,}"
    if (expires := status.certificate_expires) is not None:
        text = "expired {when}" if expires <= moments.now else "expires {when}"
        is_near = needs_renewal(status, moments.now)
        yield "Certificate", texts(text, when=moments.both(expires)), is_near
    versions = (f"{name} {version}" for name, version in status.versions.items())
    yield "Versions", given(", ".join(versions), 300)
