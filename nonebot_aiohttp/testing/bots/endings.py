"""How a bot has ended: what was wrong with it, and what is left."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..common.timeline import timeline
from . import leftovers
from .base import BadEnd, LeftBehind
from .running import IS_POSIX, Run

STOPPED = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
"""Exit codes after SIGTERM: servers end, or raise the signal again."""

STOPS = (signal.SIGTERM, signal.SIGINT, getattr(signal, "CTRL_BREAK_EVENT", None))
"""Signals that stop a bot."""


@dataclass
class Ending:
    """What is known about the end of a run.

    Attributes:
        check_leaks: Whether what is left is a failure.
        allow_tracebacks: Whether the bot may log tracebacks during its stop.
        first_line: The number of the first line of the run's log.
        stop_line: The first line after a signal that stops the bot; None if no signal was sent.
        signals: The signals that the test has sent.
        has_to_stop: Whether it was stopped by `BotProcess.stop`, or at the end of its block.
        is_expected: Whether the test has waited for the end, or read the exit code.
        was_killed: Whether it was killed, so that nothing can be said about its end.
        reported: What the process itself has seen that was left.
        faults: What is wrong with the end.
    """

    check_leaks: bool
    allow_tracebacks: bool
    first_line: int = 0
    stop_line: int | None = None
    signals: list[int] = field(default_factory=list)
    has_to_stop: bool = False
    is_expected: bool = False
    was_killed: bool = False
    reported: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def next(self, line: int) -> Ending:
        """Return the ending of a run that begins when the log has so many lines."""
        return Ending(self.check_leaks, self.allow_tracebacks, line)

    def settled(self) -> Ending:
        """Return the ending of the same run for those who ask again: all has been said."""
        return replace(self, was_killed=True, faults=[])

    def expect(self, number: int, line: int) -> None:
        """Take note of a signal that a test sends, when the log has so many lines."""
        if number in STOPS and self.stop_line is None:
            self.stop_line = line
        self.signals.append(number)

    def judge(self, run: Run, log: Sequence[str]) -> BadEnd | None:
        """Return what is wrong with the end of a run, if something is."""
        left = []
        if not self.was_killed:
            self._look_at_the_code(run)
            self._look_for_tracebacks(log)
            left = self._left(run, log[self.first_line :]) if self.check_leaks else []
        if not self.faults and not left:
            return None
        return (LeftBehind if left else BadEnd)(_report(self.faults, left))

    def _look_at_the_code(self, run: Run) -> None:
        if run.code in self._codes:
            return
        if self.has_to_stop or (self.stop_line is not None and not self.is_expected):
            if IS_POSIX:
                self.faults.append(f"it ended with exit code {run.code} when it was stopped")
        elif not self.is_expected:
            sent = ", ".join(str(number) for number in self.signals)
            why = f"by itself, after signal {sent}," if sent else "by itself,"
            self.faults.append(f"it had ended {why} with exit code {run.code}")

    @property
    def _codes(self) -> tuple[int, ...]:
        """The exit codes with which the signals that were sent may have ended the bot."""
        if self.has_to_stop:
            return STOPPED
        return tuple(code for number in self.signals for code in (0, -number, 128 + number))

    def _look_for_tracebacks(self, log: Sequence[str]) -> None:
        if self.allow_tracebacks or self.stop_line is None:
            return
        lines = log[self.stop_line :]
        if any(leftovers.TRACEBACK in line for line in lines):
            text = "\n  ".join(("it logged a traceback during its stop:", *lines))
            self.faults.append(text)

    def _left(self, run: Run, log: Sequence[str]) -> list[str]:
        left = leftovers.signs_in(log)
        if self.stop_line is not None or not 0 < (run.code or 0) <= 128:
            left += self.reported  # Otherwise its start has failed half-way.
        if IS_POSIX:
            left += leftovers.children_of(run.pid)
        if run.log_is_held and not left:
            left.append("a process that still has its log open")
        return left


def _report(faults: Sequence[str], left: Sequence[str]) -> str:
    parts = [*faults]
    if left:
        parts.append(
            "it leaves behind what its adapter or its plugins have to end before or in a shutdown"
            " hook:\n"
            + "\n".join(f"- {each}" for each in left)
            + "\n(env={'PYTHONTRACEMALLOC': '25'} has Python tell where sessions and sockets were"
            " made; check_leaks=False turns this check off)"
        )
    return "the bot: " + "\n".join(parts) + f"\n\n{timeline.render()}"
