"""How a bot gets into a process of its own: the command, the environment, the settings."""

from __future__ import annotations

import inspect
import json
import os
import signal
import site
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .telling import VARIABLE

SETTINGS = "NONEBOT_TESTING_SETTINGS"
"""The environment variable that carries the settings into the bot's process, as JSON."""

SAVE = getattr(signal, "SIGVTALRM", None)
"""The signal at which a process ends as if killed, but saves what coverage has measured.

No server that is known uses it; gunicorn has a meaning for SIGUSR1 and SIGUSR2.
"""

COLOURS = (
    *("FORCE_COLOR", "CLICOLOR_FORCE", "PYCHARM_HOSTED", "TRAVIS", "CIRCLECI", "APPVEYOR"),
    *("GITLAB_CI", "GITHUB_ACTIONS"),
)
"""Variables that make loguru, Python or click write colours into a pipe."""

NOT_THE_MACHINES = ("DRIVER", "HOST", "PORT", "ENVIRONMENT", "PYTHONWARNINGS", "LOG_LEVEL")
"""Variables that would configure the bot by chance: a test configures it."""

Program = str | os.PathLike[str] | Callable[[], object]
"""What a process runs: the path of a program, or a function of a module of tests."""


def inner_command(program: Program, arguments: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return what `nonebot_aiohttp.testing.program` is told to run.

    Raises:
        FileNotFoundError: The program does not exist.
        TypeError: The function cannot be found by its name, or needs arguments.
        ValueError: A server was to import a function.
    """
    if callable(program):
        if command:
            raise ValueError("command= needs the path of a program, which the server imports")
        return ["function", *place_of(program), *arguments]
    path = Path(program).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"there is no program {path}")
    return ["module", *command, *arguments] if command else ["file", str(path), *arguments]


def place_of(function: Callable[[], object]) -> tuple[str, str, str]:
    """Return where a function is found again: its file, its module's name, its qualified name.

    Raises:
        TypeError: It cannot be found in another process, or called without arguments.
    """
    advice = "write it as a function with a name of its own: def bot() -> None: ..."
    if not inspect.isfunction(function):
        kind = "a bound method" if inspect.ismethod(function) else type(function).__name__
        raise TypeError(
            f"{function!r} is {kind}, and another process has only functions of modules, and"
            f" static methods; {advice}"
        )
    name = function.__qualname__
    if "<lambda>" in name or "<locals>" in name:
        kind = "a lambda" if "<lambda>" in name else "defined within a function"
        raise TypeError(
            f"{name} is {kind}, which the bot's process cannot find by its name; {advice}, at the"
            f" top of the module or in a class, and pass it data by settings="
        )
    if inspect.iscoroutinefunction(function):
        raise TypeError(
            f"{name} is async, but it runs between nonebot.init and nonebot.run, where no event"
            f" loop runs yet; register what is async with nonebot.get_driver().on_startup"
        )
    needed = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if needed:
        raise TypeError(
            f"{name} needs {', '.join(needed)}, but the bot's process calls it without arguments;"
            f" read settings from nonebot.get_driver().config, and make a method static"
        )
    return str(Path(function.__code__.co_filename).absolute()), function.__module__, name


def as_json(settings: Mapping[str, Any]) -> str:
    """Return settings as JSON; their names become lower-case, as NoneBot2 has them.

    Sets become lists, paths their text, times (`timedelta`) seconds.

    Raises:
        TypeError: A setting cannot be carried into another process.
    """
    texts = []
    for name, value in settings.items():
        try:
            texts.append(f"{json.dumps(name.lower())}: {json.dumps(value, default=_plain)}")
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"the setting {name!r} cannot be carried into the bot's process: {error}"
            ) from None
    return "{" + ", ".join(texts) + "}"


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Set):
        return sorted(value, key=repr)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{value!r} is no JSON; write what a .env file would have")


def environment(folder: Path | None) -> dict[str, str]:
    """Return this process's environment without what would change a bot by chance.

    Args:
        folder: A folder that the bot imports from first.
    """
    away = {*COLOURS, *NOT_THE_MACHINES}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in away and not name.lower().endswith("_proxy")
    }
    paths = [*([str(folder)] if folder else []), *importable_from()]
    return {
        **kept,
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
    }


def importable_from() -> list[str]:
    """List the folders that this process imports from, without those of every Python.

    So the bot imports what its test can import, such as modules beside the tests.
    """
    usual = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    usual |= {*site.getsitepackages(), site.getusersitepackages()}
    usual |= {str(Path(name) / "lib-dynload") for name in usual}
    found = (os.path.abspath(entry) for entry in sys.path)
    return [entry for entry in found if entry not in usual and os.path.isdir(entry)]


def measures_coverage() -> bool:
    """Tell whether coverage measures the processes that this one starts."""
    return any(name in os.environ for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"))


class Launch:
    """All that a process of a bot is started with.

    Attributes:
        program: What it runs.
        host: Where it listens.
        port: Its port.
        driver: The line ``DRIVER``; None if the bot names it itself.
        command: The command line.
    """

    def __init__(
        self,
        program: Program,
        host: str,
        port: int,
        *,
        driver: str | None,
        settings: Mapping[str, Any],
        env: Mapping[str, str],
        arguments: Sequence[str],
        command: Sequence[str],
        folder: str | os.PathLike[str] | None,
    ) -> None:
        """Take what `BotProcess` was given.

        Raises:
            FileNotFoundError: The program does not exist.
            TypeError: The function, or a setting, cannot be carried into another process.
            ValueError: The settings have what is an argument, or a server was to import a function.
        """
        self.program = program
        self.host = host
        self.port = port
        self.driver = driver
        self._path = None if callable(program) else Path(program).absolute()
        places = {"host": host, "port": port, "program": self._path.stem if self._path else ""}
        server = [part.format(**places) for part in command]
        self.command = [
            *(sys.executable, "-W", "default::ResourceWarning"),
            *("-m", "nonebot_aiohttp.testing.program"),
            *inner_command(program, arguments, server),
        ]
        self._settings = as_json(self._with_its_own(settings))
        self._env = dict(env)
        self._folder = None if folder is None else Path(folder)
        self._own_folder: TemporaryDirectory[str] | None = None

    def _with_its_own(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = {name.lower(): name for name in settings}
        for own in ("driver", "host", "port"):
            if own in names:
                raise ValueError(f"settings has {names[own]!r}: write {own}= of BotProcess instead")
        driver = {} if self.driver is None else {"driver": self.driver}
        return {**settings, **driver, "host": self.host, "port": self.port}

    def environment(self) -> dict[str, str]:
        """Return the environment variables."""
        return {
            **environment(self._path.parent if self._path else None),
            **({} if self.driver is None else {"DRIVER": self.driver}),
            "HOST": self.host,
            "PORT": str(self.port),
            SETTINGS: self._settings,
            VARIABLE: "1",
            **self._env,
        }

    def folder(self) -> Path:
        """Return the current folder of the process, which `clean_up` may remove."""
        if self._folder is not None:
            return self._folder
        if self._path is not None:
            return self._path.parent
        self._own_folder = self._own_folder or TemporaryDirectory(prefix="bot-")
        return Path(self._own_folder.name)

    def clean_up(self) -> None:
        """Remove the folder that was made for the process, if one was."""
        if self._own_folder is not None:
            self._own_folder.cleanup()
            self._own_folder = None
