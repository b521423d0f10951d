"""The package's own records: what is filtered, held back and kept, and which place they name."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import loguru
import pytest

import nonebot_aiohttp
from nonebot_aiohttp import Driver, log
from nonebot_aiohttp.log import log_exception, own
from nonebot_aiohttp.log.naming import about
from nonebot_aiohttp.log.own import LONGEST_RECENT, MOST_HELD, MOST_RECENT, OwnLogger, logger
from tests.support.logs import Logs

if TYPE_CHECKING:
    from loguru import Message

ROOT = Path(nonebot_aiohttp.__file__).parent
LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")


def log_all(own_logger: OwnLogger) -> None:
    """Log a record of each level, by its method and by its name."""
    for level in LEVELS:
        getattr(own_logger, level.lower())("{} {}", level, "{by} method")
        own_logger.log(level, "{} {}", level, "by name")


def logged(levels: tuple[str, ...]) -> list[str]:
    return [f"{level} {how}" for level in levels for how in ("{by} method", "by name")]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0, LEVELS),
        ("DEBUG", LEVELS[1:]),
        ("info", LEVELS[2:]),
        (25, LEVELS[3:]),
        ("ERROR", LEVELS[5:]),
        (100, ()),
        # What is not a level filters nothing.
        ("loud", LEVELS),
        (None, LEVELS),
        (-1, LEVELS),
        ([], LEVELS),
    ],
)
def test_what_is_below_the_level_is_not_logged(
    level: Any, expected: tuple[str, ...], logs: Logs
) -> None:
    own_logger = OwnLogger()
    own_logger.set_level(level)
    log_all(own_logger)
    assert logs.messages() == logged(expected)


def test_a_record_below_warning_costs_what_it_costs_with_loguru() -> None:
    own_logger = OwnLogger()
    for level in LEVELS[:4]:
        assert getattr(own_logger, level.lower()) == getattr(loguru.logger, level.lower())


def test_an_exception_is_filtered_and_formatted_only_where_it_is_logged(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger.set_level("ERROR")
    monkeypatch.setattr(own, "format_traceback", lambda exc: pytest.fail("formatted"))
    log_exception("WARNING", "failed", ValueError("hidden"))
    monkeypatch.undo()
    log_exception("ERROR", "failed", ValueError("shown"))
    assert logs.messages() == ["failed\n  ValueError: shown"]


@pytest.mark.promise("life: LOG_LEVEL filters the package's own records for every sink")
def test_the_last_driver_decides_and_the_records_of_users_are_not_filtered(logs: Logs) -> None:
    for level, expected in (("WARNING", []), ("DEBUG", ["Registered adapter my"]), (None, None)):
        config = SimpleNamespace(log_level=level)
        driver = Driver(SimpleNamespace(environment="test"), config)
        logs.clear()
        logger.debug("Registered adapter my")
        assert logs.messages() == (["Registered adapter my"] if expected is None else expected)
        driver.logger.debug("a user's")
        log.logger.debug("a user's")
        nonebot_aiohttp.logger.debug("a user's")
        assert logs.messages()[-3:] == ["a user's"] * 3


class Places(list[tuple[str | None, str, int, float, dict[str, str]]]):
    """Where records come from, when, and about whom: module, function, line, time and fields."""

    def add(self, message: Message) -> None:
        record = message.record
        place = (record["name"], record["function"], record["line"], record["time"].timestamp())
        self.append((*place, record["extra"]))


def log_here(own_logger: OwnLogger) -> int:
    own_logger.info("by method", **about("my", "1"))
    own_logger.log("INFO", "by name", **about("my", "1"))
    own_logger.warning("by {}", "method", **about("my", "1"))
    own_logger.log("ERROR", "by {}", "name", **about("my", "1"))
    own_logger.log_exception("INFO", "failed", ValueError(), depth=1, **about("my", "1"))
    own_logger.log_exception("ERROR", "failed", ValueError(), depth=1, **about("my", "1"))
    return log_here.__code__.co_firstlineno


@pytest.mark.parametrize("holds", [False, True])
def test_a_record_names_the_place_and_the_time_of_the_call_and_whom_it_is_about(
    holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_logger, places = fresh_logger(monkeypatch), Places()
    sink = loguru.logger.add(places.add)
    try:
        if holds:
            own_logger.hold_back()
        before = time.time()
        first = log_here(own_logger)
        after = time.time()
        own_logger.release()
    finally:
        loguru.logger.remove(sink)
    assert [place[:3] for place in places] == [
        (__name__, "log_here", first + line) for line in range(1, 7)
    ]
    assert [place[4] for place in places] == [{"adapter": "my", "bot": "1"}] * 6
    assert all(before - 0.01 < place[3] < after + 0.01 for place in places)


def fresh_logger(monkeypatch: pytest.MonkeyPatch) -> OwnLogger:
    """Make a logger that does nothing when the process ends or forks."""
    be_program(monkeypatch)
    return OwnLogger()


def be_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold records back as for a program, but do nothing when the process ends or forks."""
    monkeypatch.setattr(own, "program_frame", lambda: sys._getframe())
    monkeypatch.setattr("atexit.register", lambda function: None)
    monkeypatch.delattr("os.register_at_fork", raising=False)


def test_only_a_program_has_records_held_back(logs: Logs) -> None:
    """At the end of somebody's tests the outputs are closed, and a host may start much later."""
    own_logger = OwnLogger()
    own_logger.hold_back()
    own_logger.info("at once")
    assert logs.messages() == ["at once"]


def test_records_are_held_back_until_the_start(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    own_logger = fresh_logger(monkeypatch)
    own_logger.hold_back()
    log_all(own_logger)
    own_logger.set_level("INFO")
    own_logger.hold_back()
    own_logger.log_exception("ERROR", "failed", ValueError("{}"), depth=1)
    assert logs == []
    own_logger.release()
    assert logs.messages() == [*logged(LEVELS[2:]), "failed\n  ValueError: {}"]
    logs.clear()
    own_logger.hold_back()
    own_logger.info("at once")
    own_logger.release()
    assert logs.messages() == ["at once"]


def test_not_too_many_records_are_held_back(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    own_logger = fresh_logger(monkeypatch)
    own_logger.hold_back()
    for number in range(MOST_HELD + 1):
        own_logger.info("{}", number)
    assert logs.messages() == [str(number) for number in range(MOST_HELD + 1)]


async def test_a_start_releases_them(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(SimpleNamespace(environment="test"), SimpleNamespace())
    monkeypatch.setattr(logger, "_has_started", False)
    be_program(monkeypatch)
    logger.hold_back()
    logger.warning("before")
    assert logs.messages() == []
    async with driver.lifespan():
        assert logs.messages()[0] == "before"


# What is kept


@pytest.mark.parametrize("holds", [False, True])
def test_the_last_warnings_are_kept_as_the_log_has_shown_them(
    holds: bool, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_logger, before = fresh_logger(monkeypatch), time.time()
    if holds:
        own_logger.hold_back()
    log_all(own_logger)
    fields = about("my", "1", "10.0.0.7")
    own_logger.warning("{}", "{not a field}\nsecond line", **fields)
    own_logger.log_exception("ERROR", "failed", ValueError("why\nsecret=abc"), depth=1, **fields)
    own_logger.log_exception("INFO", "failed", ValueError(), depth=1)
    after = time.time()
    own_logger.release()
    assert [(each.level, each.text) for each in own_logger.recent] == [
        *((level, f"{level} {how}") for level in LEVELS[4:] for how in ("{by} method", "by name")),
        ("WARNING", "{not a field}"),
        ("ERROR", "failed: ValueError: why secret=***"),
    ]
    assert {each.adapter for each in own_logger.recent} == {"", "my"}
    last = own_logger.recent[-1]
    assert (last.adapter, last.bot, last.peer) == ("my", "1", "10.0.0.7")
    assert all(before <= each.when <= after for each in own_logger.recent)
    with pytest.raises(dataclasses.FrozenInstanceError):
        last.text = ""  # type: ignore[misc]


@pytest.mark.parametrize("holds", [False, True])
def test_what_the_level_keeps_out_of_the_log_is_not_kept(
    holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_logger = fresh_logger(monkeypatch)
    own_logger.set_level("ERROR")
    if holds:
        own_logger.hold_back()
    log_all(own_logger)
    own_logger.log_exception("WARNING", "failed", ValueError(), depth=1)
    own_logger.release()
    assert {each.level for each in own_logger.recent} == {"ERROR", "CRITICAL"}


def test_what_is_kept_is_bounded() -> None:
    own_logger = OwnLogger()
    for number in range(2 * MOST_RECENT):
        own_logger.warning("{} {}", number, "x" * LONGEST_RECENT)
    assert [each.text.split()[0] for each in own_logger.recent] == [
        str(number) for number in range(MOST_RECENT, 2 * MOST_RECENT)
    ]
    assert {len(each.text) for each in own_logger.recent} == {LONGEST_RECENT}
    assert own_logger.recent[0].text.endswith("xx...")


def test_a_users_own_fields_do_not_disturb(logs: Logs) -> None:
    log_exception("ERROR", "failed", ValueError("why"), plugin="weather", bot="1")
    assert logs[-1].extra == {"plugin": "weather", "bot": "1"}
    assert (logger.recent[-1].text, logger.recent[-1].bot) == ("failed: ValueError: why", "1")


# Whom records are about

ABOUT_SOMEBODY = (
    "adapters.py",
    "drivers.py",
    "connections/*.py",
    "forward/*.py",
    "life/failures.py",
    "life/hooks.py",
    "life/tasks.py",
    "nonebot2/events.py",
    "nonebot2/routes.py",
    "reverse/*.py",
)
"""The modules whose records are about an adapter, a bot or a peer."""

ABOUT_NOBODY = (
    "Closing a WebSocket that is gone",
    "No file descriptor is left",
    "Three quarters of the {} file descriptors",
    "Dropped {} WebSocket(s)",
)
"""How their records begin that are about none."""


@pytest.mark.parametrize("pattern", ABOUT_SOMEBODY)
def test_each_record_about_somebody_says_so_in_its_fields(pattern: str) -> None:
    found = 0
    for path in ROOT.glob(pattern):
        for call in log_calls(path):
            found += 1
            unpacked = [ast.unparse(each.value) for each in call.keywords if each.arg is None]
            text = ast.unparse(call.args[0]).strip("'\"")
            assert unpacked or text.startswith(ABOUT_NOBODY), (
                f"{path}:{call.lineno}: pass **about(adapter, bot, peer)"
            )
    assert found


def log_calls(path: Path) -> list[ast.Call]:
    """Find the calls in a module that log something."""
    calls = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    return [each for each in calls if isinstance(each, ast.Call) and LOGS.match(ast.unparse(each))]


LOGS = re.compile(r"(package_)?logger\.(log|" + "|".join(LEVELS).lower() + r")\(|log_exception\(")


def test_the_package_logs_by_its_own_logger_alone() -> None:
    users = {ROOT / "__init__.py", ROOT / "hosts" / "hosted.py", ROOT / "hosts" / "exit.py"}
    # The kit reads the log, of whichever driver, and writes nothing to it.
    rooms = {path for room in ("log", "testing") for path in (ROOT / room).rglob("*.py")}
    for path in {*ROOT.rglob("*.py")} - users - rooms:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            module = node.module if isinstance(node, ast.ImportFrom) else None
            assert module != "loguru", path
            assert "logger" not in names or module == "log.own", (
                f"{path}: from .log.own import logger"
            )
