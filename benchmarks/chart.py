"""The figures of a run as one SVG picture: a group of bars for each path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from .catalog import BARE_TEXT, IMPORT_NONEBOT, NONEBOT2, STANDALONE
from .results import Figures
from .table import format_figure

WIDTH = 760
LABEL_WIDTH = 220
VALUE_WIDTH = 170
BAR_HEIGHT = 16
ROW = 22
HEADING = 42
MARGIN = 20
OURS, REFERENCE, OTHERS = "#2f6fde", "#8a94a6", "#d9a441"


def draw(figures: Iterable[Figures], machine: Mapping[str, Any]) -> str:
    """Return an SVG document."""
    parts: list[str] = []
    top = MARGIN
    for figure in figures:
        parts += _draw_path(figure, top)
        top += HEADING + ROW * len(figure.samples)
    parts.append(_text(MARGIN, top + 24, _caption(machine), "caption"))
    height = top + 24 + MARGIN
    return "\n".join([*_head(height), *parts, "</svg>"]) + "\n"


def _head(height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" role="img">'
    )
    yield "<title>Speed of nonebot_aiohttp beside bare aiohttp and NoneBot2's stock drivers</title>"
    yield (
        "<style>text{font-size:12px;fill:#24292f}.title{font-size:14px;font-weight:600}"
        ".caption{font-size:10.5px;fill:#57606a}.label{text-anchor:end}.paper{fill:#ffffff}"
        "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.caption{fill:#9da7b3}"
        ".paper{fill:#0d1117}}</style>"
    )
    yield f'<rect width="{WIDTH}" height="{height}" class="paper"/>'


def _draw_path(figure: Figures, top: int) -> Iterator[str]:
    path = figure.path
    better = "more is better" if path.more_is_better else "less is better"
    yield _text(MARGIN, top + 24, f"{path.title} ({path.unit}, {better})", "title")
    longest = max(map(figure.median, figure.samples))
    for row, name in enumerate(figure.samples):
        yield from _draw_bar(figure, name, top + HEADING - 8 + ROW * row, longest)


def _draw_bar(figure: Figures, name: str, top: int, longest: float) -> Iterator[str]:
    left = LABEL_WIDTH + 10
    length = (WIDTH - left - VALUE_WIDTH) * figure.median(name) / longest
    middle = top + BAR_HEIGHT - 4
    yield _text(LABEL_WIDTH, middle, name, "label")
    yield (
        f'<rect x="{left}" y="{top}" width="{max(length, 1):.1f}" height="{BAR_HEIGHT}" rx="2"'
        f' fill="{_colour(figure, name)}"/>'
    )
    yield _text(left + length + 6, middle, _value(figure, name), "value")


def _value(figure: Figures, name: str) -> str:
    ratio = figure.ratio(name, figure.path.reference)
    value = format_figure(figure.median(name))
    if ratio is None or name == figure.path.reference:
        return value
    return f"{value} ({ratio:.2f} x reference)"


def _colour(figure: Figures, name: str) -> str:
    # Some of our subjects have a reference of their own, a bare one too.
    references = {figure.path.reference, BARE_TEXT, IMPORT_NONEBOT}
    if name in (STANDALONE, NONEBOT2):
        return OURS
    return REFERENCE if name in references else OTHERS


def _caption(machine: Mapping[str, Any]) -> str:
    versions = machine["packages"]
    named = (f"{name} {versions[name]}" for name in ("aiohttp", "nonebot2") if name in versions)
    parts = [machine["date"][:10], machine["machine"]["cpu"], machine["python"], *named]
    return "Medians. " + ", ".join(parts)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{style}">{escape(text)}</text>'
