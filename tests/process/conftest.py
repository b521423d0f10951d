"""Fixtures that start programs and end them with the test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.process.hosts import Host
from tests.process.programs import Program
from tests.support import absent
from tests.support.certs import one_authority

_REASON = "Windows has no SIGTERM that a process can handle"
_ABSENT_PARTS = {
    "process/test_hosts_*.py": _REASON,
    "process/test_signals.py": _REASON,
    "process/test_systemd.py": _REASON,
    "process/test_thousand.py": _REASON,
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests that send SIGTERM where that kills a process."""
    if sys.platform != "win32":
        return None
    return absent.leave_out(config, collection_path, _ABSENT_PARTS)


_one_authority = pytest.fixture(scope="package", autouse=True)(one_authority)


class Launch(Protocol):
    def __call__(self, host: Host, port: int = 0, **settings: Any) -> Program:
        """Start a host on a port, and its bot with settings."""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Give a function that starts programs; at the end it kills those that still run."""
    programs: list[Program] = []

    def start(host: Host, port: int = 0, **settings: Any) -> Program:
        directory = tmp_path / f"program{len(programs)}"
        directory.mkdir()
        programs.append(Program(directory, host, port, **settings))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
