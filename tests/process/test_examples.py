"""The example that shows the four ways, run as users run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.programs import SLOW_STEP

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "four_ways.py"
WAYS = ["webhook", "reverse", "polling", "forward"]
TIMEOUT = 100


def run(directory: Path, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Run the example; return its exit code, its result for each way, and its stderr."""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLE), *arguments],
        capture_output=True,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    lines = (line.partition(" ") for line in ran.stdout.splitlines())
    stderr = re.sub(rf"{SLOW_STEP}\n", "", ran.stderr)
    return ran.returncode, {way: text.strip() for way, _, text in lines}, stderr


def test_all_four_ways_answer(tmp_path: Path) -> None:
    code, said, stderr = run(tmp_path)
    assert list(said) == WAYS
    assert all(re.fullmatch(r"\d+\.\d\d ms", text) for text in said.values()), said
    assert (code, stderr) == (0, "")


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_way_is_named_and_the_others_answer(tmp_path: Path, way: str) -> None:
    code, said, stderr = run(tmp_path, "--break", way)
    assert list(said) == WAYS
    assert [name for name, text in said.items() if text.startswith("FAILED")] == [way]
    assert (code, stderr) == (1, "")


def test_the_log_is_shown_on_request_only(tmp_path: Path) -> None:
    code, _, stderr = run(tmp_path, "--verbose")
    assert code == 0
    assert "Registered adapter four-ways" in stderr
