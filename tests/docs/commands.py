"""Runs the commands of the pages: any program, its output, and its end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.process.programs import PATIENCE, ROOT
from tests.support.waiting import eventually

Test = TypeVar("Test", bound=Callable[..., Any])

# Debian keeps nginx where only root looks for programs.
_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def program(name: str) -> str | None:
    """Return the path of a program of the system; None if it is not there."""
    return shutil.which(name, path=_PLACES)


def needs_program(name: str, *probe: str) -> Callable[[Test], Test]:
    """Decorate a test that needs a program, which has to end well with the probe's arguments."""
    path = program(name)
    if path is None:
        return pytest.mark.absent(f"the system has no {name}")
    if subprocess.run([path, *probe], capture_output=True).returncode != 0:
        return pytest.mark.absent(f"{name} may not do this here")
    return lambda test: test


def plain_environment(directory: Path) -> dict[str, str]:
    """Make an environment that imports this tree, and has no settings of a bot."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


class Command:
    """A program in a directory; its output goes to a file of the directory."""

    def __init__(self, directory: Path, arguments: Sequence[str], **environment: str) -> None:
        self._file = directory / f"output-{len(list(directory.glob('output-*')))}"
        env: Mapping[str, str] = {**plain_environment(directory), **environment}
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(
                arguments,
                cwd=directory,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left of it and of its children; pytest shows the output of a failure."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        print(self.output)

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._file.read_text("utf-8", "replace")

    async def shows(self, pattern: str) -> re.Match[str]:
        """Wait until its output matches; fail if it ends first."""

        def match() -> re.Match[str] | None:
            has_ended = self.process.poll() is not None
            found = re.search(pattern, self.output)
            assert found or not has_ended, f"ended before {pattern!r}:\n{self.output}"
            return found

        found = await eventually(match, PATIENCE, f"{pattern!r} in the output")
        assert found is not None
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end; return the exit code."""
        await eventually(lambda: self.process.poll() is not None, PATIENCE, "the end")
        return int(self.process.returncode)
