"""The line of JSON messages between the runner and each process that it starts.

A child speaks on its standard output and listens on its standard input; whatever else it prints
goes to standard error, so that a logger cannot break the line.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any


class Tally:
    """How many events the process has handled, answered to the runner when it asks."""

    __slots__ = ("handled",)

    def __init__(self) -> None:
        self.handled = 0


class Control:
    """A child's end of the line."""

    def __init__(self, tally: Tally | None = None) -> None:
        """Take over standard output, and answer the runner's questions if there is a tally."""
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        if tally is not None:
            threading.Thread(target=self._answer, args=(tally,), daemon=True).start()

    def say(self, **message: Any) -> None:
        """Send one message to the runner."""
        print(json.dumps(message), file=self._output, flush=True)

    def _answer(self, tally: Tally) -> None:
        for _question in sys.stdin:
            self.say(count=tally.handled)
