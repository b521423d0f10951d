"""``BotProcess``: a NoneBot2 bot in a process of its own, on any driver.

NoneBot's state is global, so each bot gets a clean one. This module imports neither NoneBot nor a
driver.
"""

from __future__ import annotations

import asyncio
import atexit
import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import hosting, leftovers
from .bots import Bot
from .journal import Journal
from .ports import free_port
from .running import IS_POSIX, Run, command_of
from .telling import VARIABLE
from .timeline import BOT, timeline
from .up import answers

if TYPE_CHECKING:
    from typing_extensions import Self

DEADLINE = 60.0
"""Seconds for a bot to start, or to end: far above what a loaded machine needs."""

STARTED = re.compile(r"startup completed", re.IGNORECASE)
"""What NoneBot2's drivers without a server log when the start is complete, at level INFO."""

_PAUSE = 0.02


class DidNotStart(AssertionError):
    """The bot has ended at its start, or was not up in time; the text has its log."""


class BadEnd(AssertionError):
    """The bot did not end as it should; the text ends with the timeline."""


class LeftBehind(BadEnd):
    """Something of the bot was left when it had ended: tasks, sessions, sockets, processes."""


class BotProcess(Bot):
    """A bot in a process of its own, which is up within ``with`` or ``async with``.

    At the end of the block the bot is stopped, if it still runs, and what it leaves behind raises
    `LeftBehind`. Nothing is checked if the block has raised something itself, or if the bot was
    killed.

    Attributes:
        program: What it runs.
        driver: The line ``DRIVER``; None if the bot names it itself.
        deadline: Seconds for its start, and for its end.
    """

    def __init__(
        self,
        program: hosting.Program,
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
            allow_tracebacks: Whether tracebacks in the log during its stop are none.

        Raises:
            FileNotFoundError: The program does not exist.
            TypeError: The function, or a setting, cannot be carried into another process.
            ValueError: ``settings`` has what other arguments say.
        """
        super().__init__(host, free_port() if port is None else port)
        self.program = program
        self.driver = driver
        self.deadline = deadline
        self._prefix = prefix
        self._wait = wait
        self._check_leaks = check_leaks
        self._allow_tracebacks = allow_tracebacks
        self._folder = None if folder is None else Path(folder)
        self._own_folder: TemporaryDirectory[str] | None = None
        self._command = command_of(
            hosting.inner_command(program, arguments, self._filled(command, program))
        )
        self._settings = hosting.as_json(self._with_its_own(settings or {}))
        self._env = dict(env or {})
        self._entries: Journal[dict[str, Any]] = Journal()
        self._ends: Journal[int] = Journal()
        self._left: list[str] = []
        self._listens = True
        self._run: Run | None = None
        self._stop_line: int | None = None
        self._end_is_expected = False
        self._was_killed = False

    def _filled(self, command: Sequence[str], program: hosting.Program) -> list[str]:
        places = {"port": self.port, "host": self.host}
        if not callable(program):
            places["program"] = Path(program).stem
        return [part.format(**places) for part in command]

    def _with_its_own(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = {name.lower(): name for name in settings}
        for own in ("driver", "host", "port"):
            if own in names:
                raise ValueError(f"settings has {names[own]!r}: write {own}= of BotProcess instead")
        driver = {} if self.driver is None else {"driver": self.driver}
        return {**settings, **driver, "host": self.host, "port": self.port}

    def _environment(self) -> dict[str, str]:
        program = None if callable(self.program) else Path(self.program).absolute().parent
        return {
            **hosting.environment(program),
            **({} if self.driver is None else {"DRIVER": self.driver}),
            "HOST": self.host,
            "PORT": str(self.port),
            hosting.SETTINGS: self._settings,
            VARIABLE: "1",
            **self._env,
        }

    def _cwd(self) -> Path:
        if self._folder is not None:
            return self._folder
        if not callable(self.program):
            return Path(self.program).absolute().parent
        self._own_folder = self._own_folder or TemporaryDirectory(prefix="bot-")
        return Path(self._own_folder.name)

    # What runs it.

    def launch(self) -> None:
        """Start the process, without a wait; again, on the same port, when it has ended.

        Raises:
            RuntimeError: It runs already.
        """
        if self._run is not None and self._run.is_running:
            raise RuntimeError("the bot runs already")
        self._stop_line, self._end_is_expected, self._was_killed = None, False, False
        self._listens = True
        self._first_line = len(self.log)
        self._run = Run(
            self._command,
            self._cwd(),
            self._environment(),
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
            raise

    def wait_until_up(self) -> None:
        """Wait in this thread until the bot answers, or until its log says that it has started.

        Raises:
            DidNotStart: It has ended instead, or the deadline has passed.
        """
        run = self._running()
        end = time.monotonic() + self.deadline
        while not self._is_up():
            if run.ended.wait(_PAUSE):
                self._end_is_expected = True
                raise DidNotStart(
                    f"the bot has ended with exit code {run.code} at its start\n\n{self._its_log()}"
                )
            if time.monotonic() > end:
                awaited = f"answers at {self.url()}"
                if not self._listens:
                    awaited = f"has logged {STARTED.pattern!r} (at level INFO)"
                raise DidNotStart(
                    f"the bot is not up after {self.deadline:g} s, which means that it"
                    f" {awaited}\n\n{self._its_log()}"
                )

    def _is_up(self) -> bool:
        if self._listens and answers(self.host, self.port):
            return True
        return not self._listens and any(map(STARTED.search, self.log[self._first_line :]))

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
        faults = []
        if run.is_running:
            self._ask_to_stop()
            if not run.ended.wait(self.deadline):
                faults.append(
                    f"it had not ended {self.deadline:g} s after it was asked to, and was killed"
                )
                self.kill()
        elif not self._end_is_expected:
            faults.append(f"it had ended by itself, with exit code {run.code}")
        faults += self._faults_of_the_end(run)
        left = self._leftovers(run) if self._check_leaks and not self._was_killed else []
        self._clean_up()
        if faults or left:
            kind = LeftBehind if left else BadEnd
            raise kind(_report(faults, left))

    def _faults_of_the_end(self, run: Run) -> list[str]:
        if self._was_killed or self._stop_line is None:
            return []
        faults = []
        code = run.code
        if IS_POSIX and not self._end_is_expected and code not in (0, -signal.SIGTERM, 143):
            faults.append(f"it ended with exit code {code} when it was stopped")
        log = self.log[self._stop_line :]
        if not self._allow_tracebacks and any(leftovers.TRACEBACK in line for line in log):
            faults.append("the log has a traceback during its stop:\n  " + "\n  ".join(log))
        return faults

    def _leftovers(self, run: Run) -> list[str]:
        left = leftovers.signs_in(self.log[self._first_line :])
        if run.code is not None and (run.code <= 0 or run.code > 128):
            left += self._left  # Otherwise its start or its stop has failed half-way.
        if IS_POSIX:
            left += leftovers.children_of(run.pid)
        if run.log_is_held and not left:
            left.append("a process that still has its log open")
        return left

    def _clean_up(self) -> None:
        if self._run is not None:
            self._run.kill()
            atexit.unregister(self._run.kill)
        if self._own_folder is not None:
            self._own_folder.cleanup()
            self._own_folder = None

    def _ask_to_stop(self) -> None:
        self.signal(signal.SIGTERM if IS_POSIX else signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]
        self._end_is_expected = False

    # What tests use.

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """What the process has ended with, a negative number for a signal; None while it runs."""
        self._end_is_expected = self._end_is_expected or not self._running().is_running
        return self._running().code

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._run is not None and self._run.is_running

    def url(self, path: str = "/", scheme: str = "http") -> str:
        """Return the address of a path of the bot, which begins with a slash."""
        return super().url(f"{self._prefix}{path}", scheme)

    def signal(self, number: int) -> None:
        """Send a signal to the process, such as ``signal.SIGTERM``; nothing if it has ended."""
        self._expect_the_end(number)
        self._running().send(number)

    def interrupt(self) -> None:
        """Press Ctrl+C: as a terminal does, it reaches the child processes too."""
        number = signal.SIGINT if IS_POSIX else signal.CTRL_BREAK_EVENT  # type: ignore[attr-defined,unused-ignore]
        self._expect_the_end(number)
        self._running().send_to_group(number)

    def _expect_the_end(self, number: int) -> None:
        stops = (signal.SIGTERM, signal.SIGINT, getattr(signal, "CTRL_BREAK_EVENT", None))
        if number in stops and self._stop_line is None:
            self._stop_line = len(self.log)
        self._end_is_expected = True

    def kill(self) -> None:
        """End the process and its children at once; what it leaves is not checked then."""
        run = self._running()
        if run.is_running:
            self._was_killed = self._end_is_expected = True
        run.kill()

    async def ended(self, deadline: float | None = None) -> int:
        """Wait for the end of the process, and return its exit code.

        Args:
            deadline: Seconds; None is the deadline of the bot.

        Raises:
            NothingCame: The seconds have passed.
        """
        run = self._running()
        self._end_is_expected = True
        seconds = self.deadline if deadline is None else deadline
        return await self._ends.wait(lambda _: run.code, "the end of the bot", seconds)

    async def stop(self) -> int:
        """Stop the bot with SIGTERM (on Windows with Ctrl+Break), and return its exit code.

        Raises:
            NothingCame: It has not ended within its deadline.
        """
        self._ask_to_stop()
        return await self.ended()

    async def told(
        self, what: str, number: int = 1, *, deadline: float | None = None
    ) -> dict[str, Any]:
        """Wait until the bot has told something with `testing.tell`, and return the data.

        Args:
            what: Its name, which the data have as ``"what"``.
            number: 2 waits for the second of that name.
            deadline: Seconds; None is `nonebot_aiohttp.testing.journal.DEADLINE`.

        Raises:
            NothingCame: The seconds have passed.
            AssertionError: The bot has ended without it.
        """
        awaited = f"tell({what!r}) number {number}"

        def decide(entries: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
            found = [entry for entry in entries if entry["what"] == what]
            if len(found) < number:
                self._insist(awaited)
                return None
            return found[number - 1]

        return await self._entries.wait(decide, awaited, deadline)

    def all_told(self, what: str | None = None) -> list[dict[str, Any]]:
        """Return what the bot has told so far under a name, or all of it."""
        return [entry for entry in self._entries if what in (None, entry["what"])]

    # What the threads bring.

    def _on_line(self, line: str) -> None:
        timeline.note(BOT, line)
        self.log.append(line)

    def _on_entry(self, entry: dict[str, Any]) -> None:
        self._listens = entry.get("listens", self._listens)
        self._left = entry.get("left", self._left)
        if "told" in entry:
            timeline.note(BOT, f"tells {entry['told']}")
            self._entries.append(entry["told"])

    def _on_end(self) -> None:
        code = self._running().code
        timeline.note(BOT, f"has ended with exit code {code}")
        if code is not None:
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
        if self._wait:
            self.start()
        else:
            self.launch()
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
        try:
            return await asyncio.to_thread(self.__enter__)
        except asyncio.CancelledError:
            self._clean_up()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, raised, trace)


def _report(faults: Sequence[str], left: Sequence[str]) -> str:
    parts = [*faults]
    if left:
        parts.append(
            "it leaves behind what its adapter or plugins have to end in a shutdown hook:\n"
            + "\n".join(f"- {each}" for each in left)
            + "\n(env={'PYTHONTRACEMALLOC': '25'} has Python tell where sessions and sockets were"
            " made; check_leaks=False turns the check off)"
        )
    return "the bot: " + "\n".join(parts) + f"\n\n{timeline.render()}"
