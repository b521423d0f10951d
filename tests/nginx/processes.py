"""nginx, and bot processes whose sockets stay open between two processes, as systemd has it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import eventually

NGINX = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
"""Debian keeps it where only root's PATH leads."""

PATIENCE = 60.0
"""Seconds until a wait for a process fails: far above what a loaded machine needs."""

SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Starts a program as systemd does: the socket is file descriptor 3."""


class Nginx:
    """nginx as the page starts it for a trial, in a folder with the page's files."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._log = folder / "nginx.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; ``started`` waits until it listens."""
        assert NGINX is not None
        command = [NGINX, "-p", ".", "-c", "nginx.conf"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text("utf-8", "replace")

    async def started(self) -> None:
        """Wait until it listens, and start it if nobody has."""
        if self._process is None:
            self.start()
        await eventually(self._listens, PATIENCE, "nginx")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Stop it at once, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()

    def reload(self) -> None:
        """Have it read its files again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)


class BotProcess:
    """One of the bot processes; it may be started again after its end.

    Attributes:
        port: Where it listens.
        held: Its socket, which stays open between two processes; None if it opens its own.
    """

    def __init__(
        self, folder: Path, port: int, program: str, held: bool, settings: Mapping[str, str]
    ) -> None:
        self.port = port
        self.held = hold(port) if held else None
        self._folder = folder
        self._program = program
        self._settings = settings
        self._log = folder / f"log-{port}.txt"
        self._log.touch()
        self._seen = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What all its processes have logged."""
        return self._log.read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it; ``started`` waits until it serves."""
        self._seen = len(self.log)
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment |= {"PORT": str(self.port), "PYTHONUNBUFFERED": "1", **self._settings}
        command, descriptors = [sys.executable, self._program], []
        if self.held is not None:
            descriptors = [self.held.fileno()]
            command = [sys.executable, "-c", SYSTEMD, str(descriptors[0]), self._program]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
            )

    async def started(self) -> None:
        """Wait until it serves."""
        await eventually(self._serves, PATIENCE, f"process {self.port}")

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        return "Listening on" in self.log[self._seen :]

    async def begin_stop(self) -> None:
        """Stop it as systemd does, and wait until it waits for what it had begun."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await eventually(lambda: "in flight" in self.log[self._seen :], PATIENCE, "the stop")

    async def ended(self) -> None:
        """Wait for its end."""
        process = self._process
        assert process is not None
        await eventually(lambda: process.poll() is not None, PATIENCE, "the end of a process")
        assert process.returncode == 0, self.log

    async def stop(self) -> None:
        """Stop it as systemd does, and wait for its end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await self.ended()

    def close(self) -> None:
        """Kill it, and close its socket."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self.held is not None:
            self.held.close()

    def handled(self) -> list[tuple[str, str]]:
        """Return the bots and texts of the events that it has logged."""
        return re.findall(rf"Bot (\S+) on port {self.port}: (\S+)", self.log)


def hold(port: int) -> socket.socket:
    """Open the socket of a process, as systemd does."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    held.listen(4096)
    return held


def free_ports(count: int) -> list[int]:
    """Find ports for nginx and the processes."""
    return [free_port() for _ in range(count)]
