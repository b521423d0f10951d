"""Figures with their bounds: the table, the JSON file, and the exit status."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..neighbours import Neighbours
from ..process import BenchmarkError, raise_file_limit
from ..results import describe_machine
from ..settings import Settings
from ..table import align, format_machine

JSON_FILE = Path("limits.json")
"""Where the figures go unless the command line says otherwise."""


@dataclass(frozen=True)
class Figure:
    """One thing that was measured.

    Attributes:
        name: What it is.
        value: How much.
        unit: Of what.
        most: The bound that it may not exceed, or None.
        least: The bound that it may not fall below, or None.
    """

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is within its bounds."""
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        return least <= self.value <= most

    @property
    def bound(self) -> str:
        """The bounds as text, empty when there are none."""
        if self.least is not None and self.least == self.most:
            return f"= {_short(self.least)}"
        bounds = [(">=", self.least), ("<=", self.most)]
        return ", ".join(f"{sign} {_short(value)}" for sign, value in bounds if value is not None)


def exactly(name: str, value: float, expected: float, unit: str) -> Figure:
    """Return a figure that has only one right value."""
    return Figure(name, value, unit, most=expected, least=expected)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least so many percent of the values do not exceed.

    Args:
        values: At least one.
        percent: From 0 to 100.
    """
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def lag_figures(lag: Mapping[str, float], when: str = "") -> list[Figure]:
    """Return figures of the event loop's lag.

    Args:
        lag: See ``stats.LoopLag.take``.
        when: What was going on.
    """
    name = f"loop lag {when}".rstrip()
    return [
        Figure(f"{name}, p99", lag["p99"], "ms"),
        Figure(f"{name}, the highest", lag["max"], "ms"),
        Figure(f"{name}, processor time only, p99", lag["busy p99"], "ms"),
        Figure(f"{name}, processor time only, the highest", lag["busy max"], "ms"),
    ]


def format_figures(figures: Sequence[Figure]) -> str:
    """Return a table of figures."""
    rows: list[tuple[str, ...]] = [("figure", "value", "unit", "bound", "")]
    for figure in figures:
        mark = "" if not figure.bound else "kept" if figure.kept else "MISSED"
        rows.append((figure.name, _short(figure.value), figure.unit, figure.bound, mark))
    return "\n".join(align(rows, left=(0, 2, 3, 4)))


def make_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return a command line with what all programs have.

    Args:
        program: The program's module inside ``benchmarks``.
        description: What it does.
    """
    summary = (description or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{program}", description=summary)
    parser.add_argument("--json", type=Path, default=JSON_FILE, help="file for the figures")
    return parser


Program = Callable[[], list[Figure]]


def run_chosen(
    parser: argparse.ArgumentParser, programs_of: Callable[..., Mapping[str, Program]]
) -> int:
    """Parse a command line with ``--only``, and run the programs that it chooses.

    Args:
        parser: The command line, of ``make_parser``, with the options of the programs.
        programs_of: Makes the programs, by their names, of these options.

    Returns:
        The exit status; see ``run_programs``.
    """
    parser.add_argument("--only", default="", help="only the programs with this in the name")
    arguments = vars(parser.parse_args())
    json_file, only = arguments.pop("json"), arguments.pop("only")
    programs = programs_of(**arguments)
    chosen = {name: program for name, program in programs.items() if only in name}
    if not chosen:
        parser.error(f"none of {', '.join(programs)} has {only!r} in its name")
    return run_programs(chosen, json_file)


def run_programs(programs: Mapping[str, Program], json_file: Path) -> int:
    """Run programs in turn, print each one's table, and write all figures to a file.

    Args:
        programs: By their names.
        json_file: The file.

    Returns:
        The exit status: 1 when one failed or missed a bound.
    """
    raise_file_limit()
    neighbours = Neighbours()
    outcomes = {name: _run(name, program) for name, program in programs.items()}
    machine = describe_machine(Settings(), neighbours.share())
    json_file.write_text(json.dumps({**machine, "programs": outcomes}, indent=2) + "\n", "utf-8")
    print(format_machine(machine))
    return int(not all(outcome["kept"] for outcome in outcomes.values()))


def _run(name: str, program: Program) -> dict[str, Any]:
    try:
        figures = program()
    except BenchmarkError as error:
        print(f"{name}: {error}\n", file=sys.stderr)
        return {"kept": False, "error": str(error)}
    print(f"{name}\n{format_figures(figures)}\n", flush=True)
    described = [{**asdict(figure), "kept": figure.kept} for figure in figures]
    return {"kept": all(figure.kept for figure in figures), "figures": described}


def _short(value: float) -> str:
    value = float(value)
    whole = value >= 100 or value.is_integer()
    return f"{value:,.0f}" if whole else f"{value:.2f}"
