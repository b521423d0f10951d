"""Runs the example that tests itself: as it is, and with each way broken on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "four_ways.py"
WAYS = ("webhook", "reverse", "polling", "forward")
TIMEOUT = 120


def run(*arguments: str) -> tuple[int, str]:
    """Run the example; show and return its exit code and output."""
    print(f"-- {EXAMPLE.name} {' '.join(arguments)}", flush=True)
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=TIMEOUT,
    )
    print(ran.stdout, f"-- exit {ran.returncode}", sep="", flush=True)
    return ran.returncode, ran.stdout


def main() -> int:
    """Return 0 if the example exits with 0, and each broken one with 1 and the name of the way."""
    wrong = [] if run()[0] == 0 else ["the whole example"]
    for way in WAYS:
        code, output = run("--break", way)
        if code != 1 or way not in output:
            wrong.append(f"--break {way}")
    print(f"wrong: {', '.join(wrong)}" if wrong else "all as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
