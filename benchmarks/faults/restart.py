"""Restarts of the process under load, behind clients that retry what was not acknowledged."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from benchmarks.process import ROOT
from tests.support.ports import free_port
from tests.support.waiting import eventually, within

PATIENCE = 60.0
"""Seconds until a wait for a process fails."""

PAUSE = 0.01
"""Seconds until a client tries again."""

ACKNOWLEDGED, REFUSED = 200, 503
"""What the process may answer an event: it has taken it, or the client shall send it again."""

PROGRAM = "benchmarks.faults.restarted"

ASKED_AGAIN = (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError)


@dataclass
class RestartOutcome:
    """What came of it.

    Attributes:
        seed: What all choices came from.
        restarts: How often the process was stopped and started again.
        seconds: How long it took.
        counts: Events that were acknowledged and handled; deliveries that were sent, refused with
            503, or met no server; events that were handled again for lack of an answer.
        slowest_stop: Seconds from the signal to the end of the process.
        problems: What must not be.
    """

    seed: int
    restarts: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    slowest_stop: float = 0.0
    problems: list[str] = field(default_factory=list)


class Server:
    """One process of the bot after the other, on one port, with one journal."""

    def __init__(self, directory: Path, loop: str) -> None:
        """Choose a port.

        Args:
            directory: Where the journal and the logs go.
            loop: The setting ``aiohttp_loop``.
        """
        self.port = free_port()
        self.journal = directory / "journal"
        self.journal.touch()
        self.log = directory / "log"
        self._loop = loop
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process, and wait until it listens."""
        with self.log.open("ab") as log:
            arguments = (str(self.port), str(self.journal), self._loop)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                PROGRAM,
                *arguments,
                cwd=ROOT,
                stderr=log,
                stdout=log,
            )
        await eventually(self._listens, PATIENCE, "the start of the process")

    async def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await within(self._process.wait(), PATIENCE)

    async def kill(self) -> None:
        """Kill what still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def handled(self) -> list[tuple[int, int]]:
        """Return event and delivery of everything that was handled."""
        lines = self.journal.read_text("ascii").split()
        return [(int(event), int(delivery)) for event, delivery in map(_split, lines)]

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log.read_text("utf-8", "replace")
        with suppress(OSError), _connected(self.port):
            return True
        return False


class Clients:
    """Clients that send events one after the other, each until it is acknowledged.

    Attributes:
        sent: The deliveries by their numbers, with the events that they carried.
        answers: The statuses of those that were answered.
    """

    def __init__(self, port: int, counts: Counter[str]) -> None:
        """Take the place of a platform.

        Args:
            port: Where the bot is.
            counts: Where to count.
        """
        self.sent: list[int] = []
        self.answers: dict[int, int] = {}
        self._url = f"http://127.0.0.1:{port}/restarted/"
        self._counts = counts
        self._events = 0
        self._ending = False

    async def run(self, clients: int) -> None:
        """Send until ``end``; what was begun is sent until it is acknowledged."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._send_all(session) for _ in range(clients)))

    def end(self) -> None:
        """Begin no further event."""
        self._ending = True

    async def _send_all(self, session: aiohttp.ClientSession) -> None:
        while not self._ending:
            event = self._events
            self._events += 1
            while True:
                if await self._is_taken(session, event):
                    break
                await asyncio.sleep(PAUSE)

    async def _is_taken(self, session: aiohttp.ClientSession, event: int) -> bool:
        delivery = len(self.sent)
        self.sent.append(event)
        try:
            async with session.post(self._url, data=f"{event}/{delivery}") as response:
                status = response.status
        except ASKED_AGAIN:
            self._counts["without an answer"] += 1
            return False
        self.answers[delivery] = status
        if status == ACKNOWLEDGED:
            return True
        self._counts[f"answered {status}"] += 1
        return False


async def restart(
    seed: int, restarts: int, *, clients: int = 16, longest: float = 1.0, loop: str = "auto"
) -> RestartOutcome:
    """Restart a process under load again and again, and look for what was lost.

    Args:
        seed: What all choices come from.
        restarts: How often.
        clients: How many send at the same time.
        longest: Seconds that the process runs at most between two restarts.
        loop: The setting ``aiohttp_loop`` of the process.

    Returns:
        The outcome, with the problems that were found.
    """
    outcome, started = RestartOutcome(seed), time.monotonic()
    choices = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory), loop)
        clients_ = Clients(server.port, outcome.counts)
        try:
            await server.start()
            sending = asyncio.ensure_future(clients_.run(clients))
            for _ in range(restarts):
                await asyncio.sleep(choices.uniform(0.0, longest))
                await _restart_once(server, outcome)
            clients_.end()
            await within(sending, PATIENCE)
            await _stop(server, outcome)
        finally:
            await server.kill()
        _compare(server, clients_, outcome)
    outcome.seconds = time.monotonic() - started
    return outcome


async def _restart_once(server: Server, outcome: RestartOutcome) -> None:
    await _stop(server, outcome)
    await server.start()
    outcome.restarts += 1


async def _stop(server: Server, outcome: RestartOutcome) -> None:
    before = time.monotonic()
    code = await server.stop()
    outcome.slowest_stop = max(outcome.slowest_stop, time.monotonic() - before)
    if code != 0:
        outcome.problems.append(f"the process ended with {code}")


def _compare(server: Server, clients: Clients, outcome: RestartOutcome) -> None:
    """Compare what was sent, answered and handled."""
    handled = server.handled()
    outcome.problems += (
        *_what_was_handled_wrongly(clients, handled),
        *_what_was_answered_wrongly(clients, {delivery for _, delivery in handled}),
        *_what_was_logged(server),
    )
    acknowledged = list(clients.answers.values()).count(ACKNOWLEDGED)
    if not acknowledged:
        outcome.problems.append("nothing was acknowledged")
    events = Counter(event for event, _ in handled)
    outcome.counts["deliveries sent"] = len(clients.sent)
    outcome.counts["events acknowledged"] = acknowledged
    outcome.counts["events handled"] = len(events)
    outcome.counts["events handled again"] = sum(count > 1 for count in events.values())


def _what_was_handled_wrongly(clients: Clients, handled: list[tuple[int, int]]) -> Iterator[str]:
    for event, delivery in handled:
        if delivery >= len(clients.sent) or clients.sent[delivery] != event:
            yield f"{event}/{delivery} was handled, but never sent"
    for delivery, count in Counter(delivery for _, delivery in handled).items():
        if count > 1:
            yield f"delivery {delivery} was handled {count} times"


def _what_was_answered_wrongly(clients: Clients, handled: set[int]) -> Iterator[str]:
    for delivery, status in clients.answers.items():
        if status == ACKNOWLEDGED:
            if delivery not in handled:
                yield f"delivery {delivery} was acknowledged, but not handled"
        elif delivery in handled:
            yield f"delivery {delivery} was answered {status}, but handled"
        elif status != REFUSED:
            yield f"delivery {delivery} was answered {status}"


def _what_was_logged(server: Server) -> Iterator[str]:
    for line in server.log.read_text("utf-8", "replace").splitlines():
        if any(word in line for word in ("ERROR", "CRITICAL", "Traceback", "Cut off")):
            yield f"logged: {line}"


def _split(line: str) -> tuple[str, str]:
    event, _, delivery = line.partition("/")
    return event, delivery


@contextmanager
def _connected(port: int) -> Iterator[None]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE):
        yield
