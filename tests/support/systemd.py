"""systemd's side of the protocol in which services tell of themselves."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tests.support.waiting import eventually

PATIENCE = 60.0
"""Seconds until a wait fails: far above what a loaded machine needs."""

_numbers = count()


class Notified:
    """The socket that ``NOTIFY_SOCKET`` names, and what has come.

    Attributes:
        address: What ``NOTIFY_SOCKET`` is.
        fields: All fields in their order, such as ``"READY=1"``.
    """

    def __init__(self, folder: Path | None) -> None:
        """Bind in a folder, or else to an abstract address."""
        name = f"notify-{os.getpid()}-{next(_numbers)}"
        self.address = str(folder / name) if folder else f"@{name}"
        self.fields: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address if folder else f"\0{name}")
        self._socket.setblocking(False)

    def read(self) -> list[str]:
        """Take what has come, and return all fields."""
        with suppress(BlockingIOError):
            while True:
                self.fields += self._socket.recv(65_536).decode().split("\n")
        return self.fields

    def count(self, field: str) -> int:
        """Count how often a field has come so far."""
        return self.read().count(field)

    async def has(self, field: str, times: int = 1) -> None:
        """Wait until a field has come."""
        await eventually(lambda: self.count(field) >= times, PATIENCE, field)

    async def stays_silent(self, seconds: float) -> bool:
        """Take what has come, and tell whether nothing else comes for some seconds."""
        self.read()
        receiving = asyncio.get_running_loop().sock_recv(self._socket, 65_536)
        try:
            await asyncio.wait_for(receiving, seconds)
        except asyncio.TimeoutError:
            return True
        return False

    def close(self) -> None:
        """Close it, and remove its file."""
        self._socket.close()
        if self.address.startswith("/"):
            Path(self.address).unlink(missing_ok=True)


@contextmanager
def notified(folder: Path | None = None) -> Iterator[Notified]:
    """Give a socket as systemd has it."""
    made = Notified(folder)
    try:
        yield made
    finally:
        made.close()
