"""``Output``: reads what a process writes, line by line, and takes out what its bot tells."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from typing import Any

from ..inside.telling import END, START

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Output:
    """A thread that reads a pipe until nobody can write to it any more."""

    def __init__(
        self, pipe: int, on_line: Callable[[str], None], on_entry: Callable[[dict[str, Any]], None]
    ) -> None:
        """Take the pipe, which is closed at the end, and who gets what was read."""
        self._pipe = pipe
        self._on_line = on_line
        self._on_entry = on_entry
        # Pieces of what has not ended yet: joined once, so that a long line takes no long time.
        self._line: list[bytes] = []
        self._entry: list[bytes] | None = None
        self._thread = threading.Thread(target=self._read, name="log of a bot", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait until all is read, at most so many seconds; tell whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _read(self) -> None:
        try:
            while data := os.read(self._pipe, 1 << 16):
                self._feed(data)
            if self._entry is not None:
                self._take(START + b"".join(self._entry))
            if any(self._line):
                self._take(b"\n")
        finally:
            os.close(self._pipe)

    def _feed(self, data: bytes) -> None:
        """Take lines and entries apart, which may come in pieces, and in the middle of a line."""
        while data:
            mark = START if self._entry is None else END
            piece, found, data = data.partition(mark)
            if self._entry is None:
                self._take(piece)
                self._entry = [] if found else None
            else:
                self._entry.append(piece)
                if found:
                    entry, self._entry = b"".join(self._entry), None
                    self._take_entry(entry)

    def _take_entry(self, data: bytes) -> None:
        try:
            entry = json.loads(data)
        except ValueError:
            # The bot's own use of these characters, or an entry with another thread's line in it.
            # Without this thread the bot could not write any more.
            self._take(START + data + END)
        else:
            self._on_entry(entry)

    def _take(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._line.append(first)
        for other in others:
            line, self._line = b"".join(self._line), [other]
            self._on_line(_COLOURS.sub("", line.decode("utf-8", "replace")).rstrip("\r"))
