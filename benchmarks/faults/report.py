"""The figures of walks and restarts as text."""

from __future__ import annotations

from benchmarks.faults.restart import RestartOutcome
from benchmarks.faults.walk import Outcome
from benchmarks.table import align

MIB = 1024 * 1024


def format_walk(outcome: Outcome) -> str:
    """Return the table of a walk."""
    rows = [("way", "faults", "kinds", "slowest recovery", "longest delay")]
    for way, kinds in outcome.cycles.items():
        delay = outcome.delays.get(way)
        rows.append(
            (
                way,
                str(sum(kinds.values())),
                str(len(kinds)),
                f"{outcome.recoveries[way]:.2f} s",
                "-" if delay is None else f"{delay:.1f} s",
            )
        )
    counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items())
    growth = "unknown" if outcome.memory is None else f"{outcome.memory / MIB:.1f} MiB"
    lines = [
        f"{outcome.faults} faults in {outcome.seconds:.0f} s; deliveries: {counts};"
        f" the process grew by {growth}; {len(outcome.problems)} problem(s)",
        *align(rows, left=(0,)),
    ]
    return "\n".join(lines)


def format_restarts(outcome: RestartOutcome) -> str:
    """Return the table of restarts."""
    rows = [(name, str(count)) for name, count in sorted(outcome.counts.items())]
    lines = [
        f"{outcome.restarts} restarts in {outcome.seconds:.0f} s, the slowest stop took"
        f" {outcome.slowest_stop:.2f} s; {len(outcome.problems)} problem(s)",
        *align(rows, left=(0,)),
    ]
    return "\n".join(lines)
