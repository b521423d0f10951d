"""What the console shows, and when the sinks and handlers of logs change."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import loguru
import pytest

from nonebot_aiohttp import log
from nonebot_aiohttp.log import (
    StdlibBridge,
    console,
    console_logging,
    is_level,
    log_exception,
    logger,
)

SECRET = "s3cr3t-T0ken"


def sinks() -> dict[int, object]:
    """Return loguru's sinks by id; it shows them nowhere but in its private core."""
    return cast(dict[int, object], cast(Any, loguru.logger)._core.handlers)


@contextmanager
def unconfigured_program() -> Iterator[None]:
    """Set the sinks and handlers of the test run aside, and begin as a fresh program does."""
    root, core = logging.getLogger(), cast(Any, loguru.logger)._core
    saved = (core.handlers, core.min_level, console._default_sink, root.handlers[:])
    core.handlers, core.min_level, root.handlers[:] = {}, math.inf, []
    console._default_sink = logger.add(sys.stderr, format="default {message}")
    try:
        yield
    finally:
        logger.remove()
        core.handlers, core.min_level, console._default_sink, root.handlers[:] = saved


@unconfigured_program()
def test_log_exception_formats_nothing_that_no_sink_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    formatted: list[BaseException] = []
    monkeypatch.setattr(log, "format_traceback", formatted.append)
    log_exception("TRACE", "failed", ValueError())
    assert formatted == []


@unconfigured_program()
def test_console_replaces_the_default_sink_and_puts_it_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    default = console._default_sink
    with console_logging("INFO"):
        assert len(sinks()) == 1
        assert default not in sinks()
        logger.debug("hidden")
        logger.info("{shown} <red>")
    assert capsys.readouterr().err.endswith(
        " INFO     tests.unit.test_log_console: {shown} <red>\n"
    )
    logger.debug("put back")
    assert capsys.readouterr().err.count("put back\n") == 1
    with console_logging("INFO"):
        logger.debug("hidden")
    assert capsys.readouterr().err == ""


@unconfigured_program()
def test_console_bridges_the_root_logger_for_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    with console_logging("DEBUG"):
        (bridge,) = root.handlers
        assert isinstance(bridge, StdlibBridge)
        logging.getLogger("aiohttp.access").debug("GET /?token=%s", SECRET)
    assert capsys.readouterr().err.endswith(
        " DEBUG    tests.unit.test_log_console: GET /?token=***\n"
    )
    assert (root.handlers, root.level) == ([], logging.WARNING)


@unconfigured_program()
def test_console_hides_secrets_in_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    with console_logging("INFO"):
        try:
            raise ValueError(f"{{x}} <red>\\<b> https://h/{SECRET}")
        except ValueError:
            logger.exception("failed")
            logging.getLogger("other").exception("failed too")
        logger.opt(exception=cast(Any, (None, None, None))).info("nothing")
    text = capsys.readouterr().err
    assert text.count("\n  ValueError: {x} <red>\\<b> https://h/***\n") == 2
    assert SECRET not in text


@unconfigured_program()
def test_console_leaves_a_configured_loguru_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logger.remove()
    own = logger.add(sys.stderr, format="own {message}")
    with console_logging("INFO"):
        assert list(sinks()) == [own]
        logger.debug("1")
    assert list(sinks()) == [own]
    assert capsys.readouterr().err == "own 1\n"


@unconfigured_program()
def test_console_respects_sinks_that_are_configured_meanwhile() -> None:
    with console_logging("INFO"):
        logger.remove()
    assert sinks() == {}


@unconfigured_program()
def test_console_leaves_a_configured_root_logger_alone() -> None:
    root, own = logging.getLogger(), logging.NullHandler()
    root.addHandler(own)
    with console_logging("DEBUG"):
        assert (root.handlers, root.level) == ([own], logging.WARNING)
    assert root.handlers == [own]


@unconfigured_program()
def test_console_puts_all_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), console_logging(10):
        raise ZeroDivisionError
    assert list(sinks()) == [console._default_sink]
    assert logging.getLogger().handlers == []


@pytest.mark.parametrize("level", ["info", "Info", 20])
@unconfigured_program()
def test_console_levels(level: int | str, capsys: pytest.CaptureFixture[str]) -> None:
    with console_logging(level):
        logger.debug("hidden")
        logger.info("shown")
    assert capsys.readouterr().err.endswith("shown\n")


@pytest.mark.parametrize(
    ("level", "known"),
    [(level, True) for level in ("info", "Error", 0, 33)]
    + [(level, False) for level in ("loud", "", -1, None, ["INFO"], 1.5)],
)
def test_is_level(level: object, known: bool) -> None:
    assert is_level(level) is known


@pytest.mark.parametrize("level", ["loud", -1])
@unconfigured_program()
def test_an_unknown_level_changes_nothing(level: int | str) -> None:
    default = console._default_sink
    with pytest.raises(ValueError, match=r"LOUD|[Ll]evel"), console_logging(level):
        pytest.fail("entered")
    assert list(sinks()) == [default]
    assert logging.getLogger().handlers == []


@pytest.mark.promise("registry: importing changes no log sink and no log handler")
def test_importing_changes_nothing_and_needs_no_pydantic() -> None:
    program = """
import logging, sys
from loguru import logger
before = repr(logger)
sys.modules["pydantic"] = sys.modules["pydantic_settings"] = None
import importlib.util
spec = importlib.util.spec_from_file_location("log", sys.argv[1])
module = sys.modules["log"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
assert module.logger is logger
assert repr(logger) == before, repr(logger)
assert not logging.getLogger().handlers
with module.console_logging("INFO"):
    logger.info("standalone")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, log.__file__],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(" INFO     __main__: standalone\n")
