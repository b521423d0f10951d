"""A suite made with nonebug, as authors of adapters write it, passes with each driver."""

import os
import subprocess
import sys
from pathlib import Path

from ..support.choice import Candidate

SUITE = Path(__file__).parent.parent / "nonebug"


def test_suite(bot_driver: Candidate) -> None:
    """It has a process of its own: nonebug starts NoneBot in it."""
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(SUITE)]
    loops = [
        "asyncio_mode=auto",
        "asyncio_default_fixture_loop_scope=session",
        "asyncio_default_test_loop_scope=session",
    ]
    overrides = [part for loop in loops for part in ("-o", loop)]
    command = [sys.executable, "-m", "pytest", *options, *overrides, "--confcutdir", str(SUITE)]
    done = subprocess.run(
        [*command, str(SUITE)],
        env={**os.environ, "DRIVER": bot_driver.line},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
