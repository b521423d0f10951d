"""Draws what happened in each of the last seconds as a small plot (SVG)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .elements import Markup, element
from .texts import Texts

SECONDS = 300
"""How many seconds a plot is wide; the latest is at the right."""

_HEIGHT = 100


def plot(texts: Texts, name: str, values: Sequence[int], *, is_bad: bool = False) -> Markup:
    """Draw a plot, with the latest and the highest value in words.

    Args:
        texts: The language.
        name: What the values count, in the page's language.
        values: A value for each second, the latest last.
        is_bad: Whether the values count what should not happen.
    """
    values = values[-SECONDS:]
    latest, highest = (f"{value:,}" for value in (_last(values), max(values, default=0)))
    title = texts(
        "{name} a second in the last five minutes: now {latest}, highest {highest}",
        name=name,
        latest=latest,
        highest=highest,
    )
    said = f"{texts('now {count}', count=latest)} · {texts('highest {count}', count=highest)}"
    caption = element("figcaption", element("b", name), " ", element("span", said))
    return element("figure", caption, _drawing(title, values, is_bad))


def _last(values: Sequence[int]) -> int:
    return values[-1] if values else 0


def _drawing(title: str, values: Sequence[int], is_bad: bool) -> Markup:
    parts = [element("title", title)]
    if any(values):
        points = " ".join(_points(values))
        first = SECONDS - len(values)
        area = f"{first},{_HEIGHT} {points} {SECONDS - 1},{_HEIGHT}"
        parts.append(element("polygon", class_="area", points=area))
        parts.append(element("polyline", class_="top bad-top" if is_bad else "top", points=points))
    base = {"x1": "0", "y1": f"{_HEIGHT}", "x2": f"{SECONDS}", "y2": f"{_HEIGHT}"}
    parts.append(element("line", class_="base", **base))
    box = {"viewBox": f"0 -3 {SECONDS - 1} {_HEIGHT + 6}", "preserveAspectRatio": "none"}
    return element("svg", *parts, role="img", **box)


def _points(values: Sequence[int]) -> Iterator[str]:
    """Yield the points of a line, without those amid equal ones."""
    first, last, highest = SECONDS - len(values), len(values) - 1, max(values)
    for at, value in enumerate(values):
        if 0 < at < last and values[at - 1] == value == values[at + 1]:
            continue
        yield f"{first + at},{_HEIGHT - _HEIGHT * value // highest}"
