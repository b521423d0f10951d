"""``Output``: reads what a process writes, line by line, and takes out what its bot tells."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from typing import Any

from .telling import END, START

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
        self._line = b""
        self._unread = b""
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
            if self._line or self._unread:
                self._take(self._unread + b"\n")
        finally:
            os.close(self._pipe)

    def _feed(self, data: bytes) -> None:
        """Take lines and entries apart, which may come in pieces, and in the middle of a line."""
        data = self._unread + data
        while (start := data.find(START)) >= 0:
            self._take(data[:start])
            data = data[start:]
            end = data.find(END)
            if end < 0:
                break
            self._take_entry(data[1:end])
            data = data[end + 1 :]
        else:
            self._take(data)
            data = b""
        self._unread = data

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
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._on_line(_COLOURS.sub("", line.decode("utf-8", "replace")).rstrip("\r"))
