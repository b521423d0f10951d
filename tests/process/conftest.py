"""Fixtures that start programs and end them with the test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.process.hosts import Host
from tests.process.programs import Program

collect_ignore: list[str] = []
if sys.platform == "win32":
    # They send SIGTERM, which kills a process on Windows.
    collect_ignore += ["test_hosts_requests.py", "test_hosts_start.py", "test_hosts_stop.py"]
    collect_ignore += ["test_signals.py", "test_thousand.py"]


class Launch(Protocol):
    def __call__(self, host: Host, port: int = 0, **settings: Any) -> Program:
        """Start a host on a port, and its bot with settings."""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Give the function that starts programs; those that still run at the end are killed."""
    programs: list[Program] = []

    def start(host: Host, port: int = 0, **settings: Any) -> Program:
        directory = tmp_path / f"program{len(programs)}"
        directory.mkdir()
        programs.append(Program(directory, host, port, **settings))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
