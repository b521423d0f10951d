"""SIGTERM and a new start, again and again, behind clients that retry: nothing is lost."""

from __future__ import annotations

import pytest

from benchmarks.faults import restart as program
from tests.faults.generated import once_is_enough


@pytest.mark.promise("life: every acknowledged event is handled")
@pytest.mark.parametrize("loop", ["asyncio", "auto"])
async def test_restarts_under_load_lose_nothing(loop: str) -> None:
    """Every event that was acknowledged is handled, once for each delivery."""
    outcome = await program.restart(seed=1, restarts=3, clients=8, longest=0.5, loop=loop)
    assert outcome.problems == []
    assert outcome.restarts == 3
    # There was load, and it met the restarts.
    assert outcome.counts["events acknowledged"] > 8
    assert outcome.counts["without an answer"] + outcome.counts["answered 503"] > 0


@once_is_enough
async def test_restarts_notice_a_bot_that_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused must not be handled, and a client that retries is not refused for good."""
    monkeypatch.setattr(program, "PROGRAM", "tests.faults.lying")
    outcome = await program.restart(seed=1, restarts=1, clients=8, longest=0.5)
    without_numbers = {problem.partition(" was ")[2] for problem in outcome.problems}
    assert without_numbers == {"answered 503, but handled", "answered 400"}
