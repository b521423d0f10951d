"""SIGTERM and a new start, again and again, behind clients that retry: nothing is lost."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.process.conftest import Launch
from tests.process.hosts import RUN, Host
from tests.process.programs import PATIENCE, Program
from tests.stress.generated import once_is_enough
from tests.support.ports import free_port
from tests.support.waiting import within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process there")

PAUSE = 0.01
"""Seconds until a client tries again."""

WORK_SECONDS = 0.02
"""Seconds that the bot works on an event."""

ACKNOWLEDGED, REFUSED = 200, 503
"""What the bot may answer an event: it has taken it, or the client shall send it again."""

LIAR = Host("a liar", ("tests.stress.lying", "{port}"))


@dataclass
class Clients:
    """Clients that send events one after the other, each until it is acknowledged.

    Attributes:
        port: Where the bot is.
        sent: The deliveries by their numbers, with the events that they carried.
        answers: The statuses of those that were answered.
    """

    port: int
    sent: list[int] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    events: int = 0
    ending: bool = False

    async def run(self, clients: int) -> None:
        """Send until they are told to end; what was begun is sent until it is acknowledged."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._send_events(session) for _ in range(clients)))

    async def _send_events(self, session: aiohttp.ClientSession) -> None:
        while not self.ending:
            event, self.events = self.events, self.events + 1
            while True:
                if await self._deliver(session, event) == ACKNOWLEDGED:
                    break
                await asyncio.sleep(PAUSE)

    async def _deliver(self, session: aiohttp.ClientSession, event: int) -> int | None:
        """Send an event once; return the status, None when there was no answer."""
        delivery = len(self.sent)
        self.sent.append(event)
        body = {"do": "note", "id": f"{event}/{delivery}", "after": WORK_SECONDS}
        url, headers = f"http://127.0.0.1:{self.port}/platform/", {"X-Self-ID": "1"}
        try:
            async with session.post(url, json=body, headers=headers) as response:
                self.answers[delivery] = response.status
        except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError):
            pass
        return self.answers.get(delivery)

    def problems(self, handled: Counter[str]) -> Iterator[str]:
        """Compare what was sent and answered with how often the bot has handled each delivery."""
        sent = {f"{event}/{delivery}": delivery for delivery, event in enumerate(self.sent)}
        for name, count in handled.items():
            if name not in sent:
                yield f"{name} was handled, but never sent"
            if count > 1:
                yield f"{name} was handled {count} times"
        for name, delivery in sent.items():
            status = self.answers.get(delivery, REFUSED)
            if status == ACKNOWLEDGED and name not in handled:
                yield f"{name} was acknowledged, but not handled"
            elif status == REFUSED and name in handled and delivery in self.answers:
                yield f"{name} was answered {status}, but handled"
            elif status not in (ACKNOWLEDGED, REFUSED):
                yield f"{name} was answered {status}"


@dataclass
class Restarts:
    """A bot that is restarted under load.

    Attributes:
        launch: Starts the programs.
        host: What to start.
        loop: The setting ``aiohttp_loop``.
        longest: Seconds that a program runs at most before it is stopped.
    """

    launch: Launch
    host: Host = RUN
    loop: str = "auto"
    longest: float = 0.5

    async def run(self, restarts: int, clients: int, seed: int) -> tuple[Clients, list[str]]:
        """Restart the bot so often; return the clients, and what must not be."""
        choices, sending = random.Random(seed), Clients(free_port())
        programs = [await self._start(sending.port)]
        running = asyncio.ensure_future(sending.run(clients))
        for _ in range(restarts):
            await asyncio.sleep(choices.uniform(0.0, self.longest))
            await self._stop(programs[-1])
            programs.append(await self._start(sending.port))
        sending.ending = True
        await within(running, PATIENCE)
        await self._stop(programs[-1])
        handled = sum((program.handled() for program in programs), Counter[str]())
        logged = [line for program in programs for line in program.log.splitlines()]
        wrong = ("ERROR", "CRITICAL", "Traceback", "Cut off")
        lines = [f"logged: {line}" for line in logged if any(word in line for word in wrong)]
        return sending, [*sending.problems(handled), *lines]

    async def _start(self, port: int) -> Program:
        program = self.launch(self.host, port, aiohttp_loop=self.loop)
        await program.logged("Listening on")
        return program

    async def _stop(self, program: Program) -> None:
        program.stop()
        assert await program.ended() == 0


@pytest.mark.promise("life: every acknowledged event is handled")
@pytest.mark.parametrize("loop", ["asyncio", "auto"])
async def test_restarts_under_load_lose_nothing(launch: Launch, loop: str) -> None:
    clients, problems = await Restarts(launch, loop=loop).run(3, 8, seed=1)
    assert problems == []
    # There was load, and it met the restarts.
    answers = Counter(clients.answers.values())
    assert answers[ACKNOWLEDGED] > 8
    assert len(clients.sent) > answers[ACKNOWLEDGED]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", ["asyncio", "auto"])
async def test_many_restarts_under_load_lose_nothing(launch: Launch, loop: str, seed: int) -> None:
    clients, problems = await Restarts(launch, loop=loop, longest=1.0).run(10, 16, seed)
    print(f"{clients.events} events in {len(clients.sent)} deliveries over 10 restarts")
    assert problems == []


@once_is_enough
async def test_restarts_notice_a_bot_that_lies(launch: Launch) -> None:
    """What was refused must not be handled, and a client that retries is not refused for good."""
    _, problems = await Restarts(launch, LIAR).run(1, 8, seed=1)
    without_numbers = {problem.partition(" was ")[2] for problem in problems}
    assert without_numbers == {"answered 503, but handled", "answered 400"}
