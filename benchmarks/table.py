"""The figures of a run as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .neighbours import NOISY
from .results import Figures

MARKS = {True: "met", False: "MISSED", None: "not measured"}


def format_figure(value: float) -> str:
    """Return a figure with its significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def format_paths(figures: Iterable[Figures]) -> str:
    """Return a table of all subjects on all paths."""
    rows: list[tuple[str, ...]] = [
        ("path", "subject", "median", "lowest", "highest", "unit", "of reference")
    ]
    for figure in figures:
        rows += _path_rows(figure)
    return "\n".join(align(rows, left=(0, 1, 5)))


def format_targets(figures: Iterable[Figures]) -> str:
    """Return a table of all targets."""
    rows = [("path", "subject", "against", "target", "reached", "")]
    for figure in figures:
        sign = ">=" if figure.path.more_is_better else "<="
        for target in figure.path.targets:
            ratio = figure.ratio(target.subject, target.against)
            rows.append(
                (
                    figure.path.key,
                    target.subject,
                    target.against,
                    f"{sign} {target.bound:g}",
                    "-" if ratio is None else f"{ratio:.2f}",
                    MARKS[figure.meets(target)],
                )
            )
    return "\n".join(align(rows, left=(0, 1, 2, 5)))


def format_machine(machine: Mapping[str, Any]) -> str:
    """Return lines on when and where the run was, and with what."""
    where = machine["machine"]
    lines = [f"{machine['date']}, {where['cpu']}, {where['cores']} cores, {where['system']}"]
    others = where["used_by_others"]
    noisy = "; run again on a quiet machine" if others > NOISY else ""
    lines.append(f"other processes used {others:.0%} of the processor{noisy}")
    if where["kept_awake"]:
        lines.append("idle cores were kept awake")
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    lines.append(f"{machine['python']}; {packages}")
    return "\n".join(lines)


def _path_rows(figure: Figures) -> Iterator[tuple[str, ...]]:
    for name, samples in figure.samples.items():
        ratio = figure.ratio(name, figure.path.reference)
        yield (
            figure.path.key,
            name,
            *map(format_figure, (figure.median(name), min(samples), max(samples))),
            figure.path.unit,
            "-" if ratio is None else f"{ratio:.2f}",
        )


def align(rows: Sequence[tuple[str, ...]], left: tuple[int, ...]) -> Iterator[str]:
    """Yield the rows as lines with aligned columns; the columns in ``left`` to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
