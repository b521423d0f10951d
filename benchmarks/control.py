"""JSON messages, one a line, between the runner and each process that it starts.

A child writes messages to its standard output and reads from its standard input. Its other output
goes to standard error, so that a logger cannot break the messages.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any


class Tally:
    """The number of events that the process has handled; the runner asks for it."""

    __slots__ = ("handled",)

    def __init__(self) -> None:
        self.handled = 0


class Control:
    """The child's end of the connection to the runner."""

    def __init__(self, tally: Tally | None = None) -> None:
        """Take over standard output, and answer the runner's questions for the tally if given."""
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
