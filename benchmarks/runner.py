"""Measures the paths of a run: for each path some rounds, in each round every subject in turn."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence

from .catalog import BenchmarkPath
from .measure import Subject
from .process import ROOT
from .results import Figures
from .settings import Settings
from .table import format_figure


def present_subjects(path: BenchmarkPath, names: Sequence[str]) -> tuple[list[Subject], list[str]]:
    """Return the subjects of a path with one of these parts in their names, all of them for none.

    Returns:
        Those that can run, and a line for each that cannot be imported.
    """
    present, absent = [], []
    for subject in path.subjects:
        if names and not any(name in subject.name for name in names):
            continue
        reason = import_failure(subject.requires)
        if reason is None:
            present.append(subject)
        else:
            absent.append(f"{path.key}, {subject.name}: {reason}")
    return present, absent


def run_path(
    path: BenchmarkPath,
    subjects: Sequence[Subject],
    settings: Settings,
    tell: Callable[[str], None],
) -> Figures:
    """Measure one path with those of its subjects that can run; ``tell`` takes a line about each.

    Raises:
        BenchmarkError: A subject made an error; nothing that was measured counts.
    """
    figures = Figures(path)
    for number in range(1 if path.steady else settings.rounds * path.processes):
        for subject in _in_turn(subjects, number):
            value = path.measurement(subject, settings)
            figures.add(subject.name, value)
            tell(f"{path.key} {number + 1} {subject.name}: {format_figure(value)} {path.unit}")
    # The first round's order is that of the tables.
    figures.samples = {subject.name: figures.samples[subject.name] for subject in subjects}
    return figures


def _in_turn(subjects: Sequence[Subject], number: int) -> Iterable[Subject]:
    """Return the subjects, backwards every other round: nobody is always the first."""
    return subjects if number % 2 == 0 else reversed(subjects)


@functools.cache
def import_failure(modules: tuple[str, ...]) -> str | None:
    """Return why modules cannot be imported, None when they can."""
    code = "import " + ", ".join(modules)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if run.returncode == 0:
        return None
    return (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
