"""A bot in a process of its own: NoneBot's state is global, so each gets a clean one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.waiting import eventually

from .choice import Candidate
from .network import answers

BOTS = Path(__file__).parent.parent / "bots"

PATIENCE = 60.0
"""Seconds until a wait for a process fails: far above what a loaded machine needs."""

LEFT_BEHIND = ("Unclosed", "never retrieved", "was destroyed")
"""What is in the log of a process that leaves something behind."""

ENDING = 5.0
"""Seconds in which a bot that is to be killed may save its coverage."""


class Bot:
    """A bot program, a file of the folder ``bots``; its log and its journal are in ``folder``."""

    def __init__(self, program: str, candidate: Candidate, folder: Path, **settings: Any) -> None:
        self.candidate = candidate
        self.port = free_port()
        self._journal = folder / f"journal-{self.port}.jsonl"
        self._log = folder / f"log-{self.port}.txt"
        self._command = [sys.executable, str(BOTS / f"{program}.py")]
        if candidate.server:
            places = {"port": self.port, "program": program}
            self._command[1:] = ["-m", *(part.format(**places) for part in candidate.server)]
        self._folder = folder
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process; `wait_until_up` tells when it is up."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._env(), stdout=log, stderr=log
            )

    def _env(self) -> dict[str, str]:
        """Make an environment of our own settings, without the proxies of this machine."""
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return {
            **env,
            "PYTHONUNBUFFERED": "1",
            "DRIVER": self.candidate.line,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "HOSTED_BY": self.candidate.host,
            "SETTINGS": json.dumps(self._settings),
            "JOURNAL": str(self._journal),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(BOTS), env.get("PYTHONPATH")))),
            **self.candidate.env,
        }

    def wait_until_up(self) -> None:
        """Wait until the bot answers, or says that it has started where it does not listen."""
        end = time.monotonic() + PATIENCE
        while not (
            answers(self.port) if self.candidate.has_server else "startup completed" in self.log
        ):
            assert self.is_running, f"the bot has ended:\n{self.log}"
            assert time.monotonic() < end, f"the bot does not answer:\n{self.log}"
            time.sleep(0.02)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def noted(self, what: str) -> list[dict[str, Any]]:
        """Return the entries of the bot's journal of one kind."""
        return [entry for entry in self.journal if entry["what"] == what]

    @property
    def journal(self) -> list[dict[str, Any]]:
        if not self._journal.exists():
            return []
        return [json.loads(line) for line in self._journal.read_text("utf-8").splitlines()]

    async def note(self, what: str, number: int = 1) -> dict[str, Any]:
        """Wait until the bot has made its n-th entry of a kind, and return it."""

        def is_decided() -> bool:
            has_ended = not self.is_running  # before the look at what it may have noted last
            return len(self.noted(what)) >= number or has_ended

        await eventually(is_decided, PATIENCE, f"{what!r} in the journal")
        assert len(self.noted(what)) >= number, f"the bot has ended without {what!r}:\n{self.log}"
        return self.noted(what)[number - 1]

    def url(self, path: str = "/", *, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{self.candidate.prefix}{path}"

    def send_stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        assert self.process is not None
        await eventually(lambda: not self.is_running, PATIENCE, "the end of the bot")
        return int(self.process.returncode)

    async def stop(self) -> None:
        """Stop the bot and assert that it ends without an error, and leaves nothing behind."""
        self.send_stop()
        before = self.log
        code = await self.ended()
        assert "Traceback" not in self.log.removeprefix(before), self.log
        assert code in self.candidate.exit_codes, self.log
        if self.candidate.is_ours:
            assert not any(left in self.log for left in LEFT_BEHIND), self.log

    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        """Let a bot save its coverage, as ``hosting.end_when_killed`` does; gunicorn does not."""
        listens = hasattr(signal, "SIGUSR2") and self.candidate.host != "gunicorn"
        if listens and self.candidate.is_ours and self.is_running:
            process.send_signal(signal.SIGUSR2)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDING)

    def kill(self) -> None:
        if self.process is not None:
            self._ask_to_end(self.process)
            self.process.kill()
            self.process.wait()


@contextmanager
def launched(program: str, candidate: Candidate, folder: Path, **settings: Any) -> Iterator[Bot]:
    """Start a bot, and end it with the block; pytest shows its log with a failure."""
    bot = Bot(program, candidate, folder, **settings)
    bot.launch()
    try:
        yield bot
    finally:
        bot.kill()
        print(bot.log)


@contextmanager
def hosted(program: str, candidate: Candidate, folder: Path, **settings: Any) -> Iterator[Bot]:
    """Run a bot that needs nobody to start; for fixtures that outlive an event loop."""
    with launched(program, candidate, folder, **settings) as bot:
        bot.wait_until_up()
        yield bot


@asynccontextmanager
async def running(
    program: str, candidate: Candidate, folder: Path, **settings: Any
) -> AsyncIterator[Bot]:
    """Run a bot; the test's own servers answer while it starts."""
    with launched(program, candidate, folder, **settings) as bot:
        await asyncio.to_thread(bot.wait_until_up)
        yield bot
