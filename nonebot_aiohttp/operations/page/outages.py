"""The part of the page on what is down: connections that the bot makes, and bots that have gone."""

from __future__ import annotations

from collections.abc import Iterator

from ..status import GoneStatus, LoopStatus, Status
from .elements import NOTHING, Markup, element
from .view import View, given, item, items

MOST_SHOWN = 100
"""How many connections are shown; there may be thousands."""

_LONGEST_ERROR = 300


def is_down(loop: LoopStatus) -> bool:
    """Tell whether a connection has failed; one that is made for the first time has not."""
    return loop.state == "ended" or (loop.state != "connected" and loop.down_since is not None)


def outages(view: View, status: Status) -> Markup:
    """Show what is down: the connections that have ended for good first, then the oldest outage."""
    down = sorted(filter(is_down, status.loops), key=_order)
    if not down and not status.gone:
        return NOTHING
    parts = [*_connections(view, down), *_gone(view, status.gone)]
    return view.section("down", view.texts("Down now"), *parts)


def _order(loop: LoopStatus) -> tuple[bool, float]:
    return loop.state != "ended", loop.down_since or 0.0


def _connections(view: View, down: list[LoopStatus]) -> Iterator[Markup]:
    if down:
        yield element("h3", view.texts("Connections that the bot makes"))
        yield items(*(_connection(view, loop) for loop in down[:MOST_SHOWN]))
        yield view.more(len(down) - MOST_SHOWN)


def _connection(view: View, loop: LoopStatus) -> Markup:
    texts, moments = view.texts, view.moments
    said = [texts(loop.state)]
    if loop.down_since is not None:
        said.append(texts("down {lasting}", lasting=moments.lasting(loop.down_since)))
    coming = []
    if loop.next_attempt is not None:
        when = moments.both(max(loop.next_attempt, moments.now))
        coming.append(texts("next attempt {when}", when=when))
    if loop.attempts:
        coming.append(texts("attempts: {count}", count=f"{loop.attempts:,}"))
    error = _english(loop.last_error) if loop.last_error else ""
    return item(given(loop.label), " · ".join(said), " · ".join(coming), error, is_down=True)


def _gone(view: View, gone: tuple[GoneStatus, ...]) -> Iterator[Markup]:
    if gone:
        yield element("h3", view.texts("Bots that have gone"))
        yield items(*(_gone_bot(view, bot) for bot in reversed(gone)))


def _gone_bot(view: View, bot: GoneStatus) -> Markup:
    since = view.texts("gone {lasting}", lasting=view.moments.lasting(bot.gone_since))
    reason = _english(bot.reason) if bot.reason else ""
    way = view.texts(bot.way)
    what = " · ".join(filter(None, (bot.adapter, way)))
    return item(given(bot.id), given(what), since, reason, is_down=True)


def _english(text: str) -> Markup:
    return element("span", given(text, _LONGEST_ERROR), lang="en")
