"""``BotProcess``: a NoneBot2 bot in a process of its own, on any driver.

NoneBot's state is global, so each bot gets a clean one. This module imports neither NoneBot nor a
driver.
"""

from __future__ import annotations

import asyncio
import atexit
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..common.journal import Journal
from ..common.timeline import BOT, PLATFORM, timeline
from ..inside.hosting import Launch
from ..inside.hosting import Program as Program
from .base import Bot
from .endings import Ending
from .ports import free_port
from .running import IS_POSIX, Run
from .up import STARTED, DidNotStart, answers

if TYPE_CHECKING:
    from typing_extensions import Self

DEADLINE = 60.0
"""Seconds for a bot to start, or to end: far above what a loaded machine needs."""

_LONGEST = 200
"""Characters of what the bot tells in the timeline."""

_PAUSE = 0.02

_STOP = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
"""What stops a bot: Ctrl+Break on Windows, where SIGTERM ends a process without a word."""


class BotProcess(Bot):
    """A bot in a process of its own, which is up within ``with`` or ``async with``.

    At the end of the block the bot is stopped, if it still runs, and what it leaves behind raises
    `LeftBehind`. Nothing is checked if the block has raised something itself, or if the bot was
    killed.

    Attributes:
        deadline: Seconds for its start, and for its end.
    """

    def __init__(
        self,
        program: Program,
        *,
        driver: str | None = None,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        command: Sequence[str] = (),
        folder: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        prefix: str = "",
        wait: bool = True,
        deadline: float = DEADLINE,
        check_leaks: bool = True,
        allow_tracebacks: bool = False,
    ) -> None:
        """Describe the bot; `start` runs it.

        Args:
            program: The path of its ``bot.py``; or a function of a module, also a static method,
                that registers adapters and handlers: the process calls it without arguments,
                between ``nonebot.init()`` and ``nonebot.run()``.
            driver: The line ``DRIVER``, before what ``.env`` and ``nonebot.init`` say; None leaves
                it to them.
            settings: NoneBot2's settings, before what ``.env`` and ``nonebot.init`` say. They stay
                what they are: the text ``"123"`` stays text, None stays None.
            env: More environment variables. The variables of this process are there too, but for
                proxies, colours and what would configure the bot by chance, such as ``LOG_LEVEL``.
            arguments: What stands behind the program in its command line.
            command: A Python module that imports the program instead, and its arguments, such as
                ``["uvicorn", "--port", "{port}", "{program}:app"]``; ``{host}``, ``{port}`` and
                ``{program}``, the name to import, are replaced.
            folder: The current folder of the process, where NoneBot2 looks for ``.env``. None is
                the folder of ``bot.py``, or an empty one for a function.
            host: Where it listens; the setting ``HOST``.
            port: Where it listens, the setting ``PORT``; None is a free port.
            prefix: The path below which the bot is, for `url`, where another application has it.
            wait: Whether the start waits until the bot is up; otherwise `up` does.
            deadline: Seconds for the start, and for the end.
            check_leaks: Whether what the bot leaves behind is a failure.
            allow_tracebacks: Whether the bot may log tracebacks during its stop.

        Raises:
            FileNotFoundError: The program does not exist.
            TypeError: The function, or a setting, cannot be carried into another process.
            ValueError: ``settings`` has what other arguments say.
        """
        super().__init__(host, free_port() if port is None else port)
        self.deadline = deadline
        self._launch = Launch(
            program,
            self.host,
            self.port,
            driver=driver,
            settings=settings or {},
            env=env or {},
            arguments=arguments,
            command=command,
            folder=folder,
        )
        self._prefix = prefix
        self._wait = wait
        self._ending = Ending(check_leaks, allow_tracebacks)
        self._entries: Journal[dict[str, Any]] = Journal()
        self._ends: Journal[int] = Journal()
        self._in_time: int | None = None
        self._run: Run | None = None

    # What runs it.

    def launch(self) -> None:
        """Start the process, without a wait; again, on the same port, when it has ended.

        Raises:
            RuntimeError: It runs already.
            LeftBehind: It has left something behind when it had ended before.
            BadEnd: It has ended before, but not as it should.
        """
        if self.is_running:
            raise RuntimeError("the bot runs already")
        if self._run is not None:
            self._judge(self._run)
        self._ending = self._ending.next(len(self.log))
        self._listens, self._in_time = True, None
        self._run = Run(
            self._launch.command,
            self._launch.folder(),
            self._launch.environment(),
            self._on_line,
            self._on_entry,
            self._on_end,
        )
        atexit.register(self._run.kill)

    def start(self) -> None:
        """Start the process, and wait in this thread until the bot is up.

        Raises:
            DidNotStart: It has ended instead, or the deadline has passed; then it is killed.
        """
        self.launch()
        try:
            self.wait_until_up()
        except BaseException:
            self.kill()
            self._clean_up()
            raise

    def wait_until_up(self) -> None:
        """Wait in this thread until the bot answers, or until its log says that it has started.

        Raises:
            DidNotStart: It has ended instead, or the deadline has passed.
        """
        run = self._running()
        begun = time.monotonic()
        while not self._is_up():
            if run.ended.wait(_PAUSE):
                self._ending.is_expected = True
                raise DidNotStart(f"it has ended with exit code {run.code}", self._its_log())
            if time.monotonic() > begun + self.deadline:
                missing = f"it does not answer at {self.url()}"
                if not self._listens:
                    missing = f"its log does not have {STARTED.pattern!r} (of level INFO)"
                raise DidNotStart(f"after {self.deadline:g} s {missing}", self._its_log())

    def _is_up(self) -> bool:
        if self._listens:
            if not answers(self.host, self.port):
                return False
            # So that nobody takes what it has logged for a mistake of the test's.
            timeline.note(PLATFORM, "has asked whether the bot is up, for which it logs a 404")
            return True
        return any(map(STARTED.search, self.log[self._ending.first_line :]))

    async def up(self) -> None:
        """Wait until the bot is up, as `wait_until_up` does, but without blocking the event loop.

        Raises:
            DidNotStart: It has ended instead, or the deadline has passed.
        """
        await asyncio.to_thread(self.wait_until_up)

    def finish(self) -> None:
        """Stop the bot in this thread, if it still runs, and check what it leaves behind.

        Raises:
            LeftBehind: It leaves something behind.
            BadEnd: It has not ended in time, or with an error, or before it was to.
        """
        run = self._running()
        if run.is_running:
            if self._ending.stop_line is None:
                self._ending.has_to_stop = True
                self.ask_to_stop()
            if not run.ended.wait(self.deadline):
                self._ending.faults.append(
                    f"it had not ended {self.deadline:g} s after it was asked to, and was killed"
                )
                self.kill()
        try:
            self._judge(run)
        finally:
            self._clean_up()

    def _judge(self, run: Run) -> None:
        ending, self._ending = self._ending, self._ending.settled()
        wrong = ending.judge(run, self.log)
        run.sweep()
        atexit.unregister(run.kill)
        if wrong is not None:
            raise wrong

    def _clean_up(self) -> None:
        if self._run is not None:
            self._run.kill()
            atexit.unregister(self._run.kill)
        self._launch.clean_up()

    # What tests use.

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """What the process has ended with, a negative number for a signal; None while it runs."""
        code = self._running().code
        self._ending.is_expected = self._ending.is_expected or code is not None
        return code

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._run is not None and self._run.is_running

    def url(self, path: str = "/", scheme: str = "http") -> str:
        """Return the address of a path of the bot, which begins with a slash."""
        return super().url(f"{self._prefix}{path}", scheme)

    def ask_to_stop(self) -> None:
        """Have the bot stop, by SIGTERM or on Windows by Ctrl+Break, without a wait.

        It is asked once: drivers take a second signal as haste.
        """
        if self._ending.stop_line is None:
            self.signal(_STOP)

    def signal(self, number: int) -> None:
        """Send a signal to the process, such as ``signal.SIGUSR1``; nothing if it has ended.

        A later end with a code that is not of this signal is a failure, unless the test waits for
        it with `ended`. To stop the bot on any system use `stop` or `ask_to_stop`.
        """
        self._ending.expect(number, len(self.log))
        self._running().send(number)

    def interrupt(self) -> None:
        """Press Ctrl+C: as a terminal does, it reaches the child processes too."""
        number = signal.SIGINT if IS_POSIX else _STOP
        self._ending.expect(number, len(self.log))
        self._running().send_to_group(number)

    def kill(self) -> None:
        """End the process and its children at once; what it leaves is not checked then."""
        run = self._running()
        if run.is_running:
            self._ending.was_killed = True
        run.kill()

    async def ended(self, deadline: float | None = None) -> int:
        """Wait for the end of the process, and return its exit code, which may be any.

        Args:
            deadline: Seconds; None is the deadline of the bot.

        Raises:
            NothingCame: The seconds have passed.
        """
        self._ending.is_expected = True
        return await self._end(deadline)

    async def _end(self, deadline: float | None) -> int:
        run = self._running()
        seconds = self.deadline if deadline is None else deadline
        return await self._ends.wait(lambda _: run.code, "the end of the bot", seconds)

    async def stop(self) -> int:
        """Stop the bot as `ask_to_stop` does, and return its exit code.

        A code that is not of a stop (on POSIX 0, -15 or 143) fails the end of the block. A test
        that expects another one uses `ask_to_stop` and `ended`.

        Raises:
            NothingCame: It has not ended within its deadline.
        """
        self._ending.has_to_stop = self.is_running or self._ending.has_to_stop
        self.ask_to_stop()
        return await self._end(None)

    async def told(
        self, what: str, number: int = 1, *, deadline: float | None = None
    ) -> dict[str, Any]:
        """Wait until the bot has told something with `testing.tell`, and return the data.

        Args:
            what: Its name, which the data have as ``"what"``.
            number: 2 waits for the second of that name.
            deadline: Seconds; None is `nonebot_aiohttp.testing.common.journal.DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
            AssertionError: The bot has ended without it.
        """
        awaited = f"tell({what!r}) number {number}"
        return await self._nth(
            self._entries, number, lambda entry: bool(entry["what"] == what), awaited, deadline
        )

    def all_told(self, what: str | None = None, *, late: bool = True) -> list[dict[str, Any]]:
        """Return what the bot has told so far under a name, or all of it.

        If not `late`, without what it has told, by chance, behind the end of its main coroutine.
        """
        entries = self._entries[: None if late else self._in_time]
        return [entry for entry in entries if what in (None, entry["what"])]

    # What the threads bring.

    def _on_line(self, line: str) -> None:
        timeline.note(BOT, line)
        self.log.append(line)

    def _on_entry(self, entry: dict[str, Any]) -> None:
        self._listens = entry.get("listens", self._listens)
        self._ending.reported += entry.get("left", ())
        self._in_time = len(self._entries) if "over" in entry else self._in_time
        if "told" in entry:
            text = f"tells {entry['told']}"
            timeline.note(BOT, text if len(text) < _LONGEST else f"{text[:_LONGEST]}...")
            self._entries.append(entry["told"])

    def _on_end(self, code: int) -> None:
        timeline.note(BOT, f"has ended with exit code {code}")
        self._ends.append(code)
        self.log.look_again()
        self._entries.look_again()

    def _insist(self, what: str) -> None:
        if not self.is_running:
            raise AssertionError(f"the bot has ended without {what}\n\n{self._its_log()}")

    def _its_log(self) -> str:
        return f"its log:\n{self.text or '(empty)'}"

    def _running(self) -> Run:
        if self._run is None:
            raise RuntimeError("the bot was not started; use `with`, or start() first")
        return self._run

    # As a context.

    def __enter__(self) -> Self:
        (self.start if self._wait else self.launch)()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if raised is None:
            self.finish()
        else:
            self._clean_up()

    async def __aenter__(self) -> Self:
        # Not in a thread: one that is cancelled may launch the process behind our back.
        self.launch()
        try:
            if self._wait:
                await self.up()
        except BaseException:
            self.kill()
            self._clean_up()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, raised, trace)
