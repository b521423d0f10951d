"""A thousand faults on all four ways at once, with waits between attempts that take no time.

``PYTEST_FAULTS_SEED`` repeats a run, ``PYTEST_FAULTS_CYCLES`` makes it longer.
"""

from __future__ import annotations

import os

import pytest

from benchmarks.faults.report import format_walk
from benchmarks.faults.walk import walk

CYCLES = int(os.environ.get("PYTEST_FAULTS_CYCLES", "1000"))
SEED = int(os.environ.get("PYTEST_FAULTS_SEED", "759212216"))


@pytest.mark.both_loops
async def test_a_walk_over_faults_loses_and_leaves_nothing() -> None:
    """Refused, reset, hung up on, lied to, flooded: all ways at once."""
    outcome = await walk(SEED, CYCLES, virtual=True, walkers=10)
    print(f"seed {SEED}: {format_walk(outcome)}")
    assert outcome.problems == [], f"repeat it with PYTEST_FAULTS_SEED={SEED}"
    assert outcome.faults == CYCLES
