"""Measures the paths of a run, each in some rounds; a round measures every subject in turn."""

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
    """Return the subjects that can run, and a line for each subject that cannot be imported.

    If names are given, only subjects count whose name contains one of them.
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
    """Measure one path with subjects that can run; ``tell`` gets a line about each figure.

    Raises:
        BenchmarkError: A subject made an error, so that the figures are not valid.
    """
    figures = Figures(path)
    for number in range(1 if path.steady else settings.rounds * path.processes):
        for subject in _in_turn(subjects, number):
            value = path.measurement(subject, settings)
            figures.add(subject.name, value)
            tell(f"{path.key} {number + 1} {subject.name}: {format_figure(value)} {path.unit}")
    # The tables have the order of the first round.
    figures.samples = {subject.name: figures.samples[subject.name] for subject in subjects}
    return figures


def _in_turn(subjects: Sequence[Subject], number: int) -> Iterable[Subject]:
    """Return the subjects, in reverse every other round, so that the first one changes."""
    return subjects if number % 2 == 0 else reversed(subjects)


@functools.cache
def import_failure(modules: tuple[str, ...]) -> str | None:
    """Return why modules cannot be imported; None if they can."""
    code = "import " + ", ".join(modules)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if run.returncode == 0:
        return None
    return (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
