"""Fixtures for all tests, and the check after each that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from nonebot_aiohttp.log.own import logger as own_logger
from nonebot_aiohttp.testing.bots.leaks import Leaks, changes
from tests.support import absent
from tests.support.certs import Tls, make_tls
from tests.support.clock import FakeClock
from tests.support.generating import load_profile
from tests.support.leaks import process_state
from tests.support.logs import Logs, collected_logs

pytest_plugins = ["nonebot_aiohttp.testing.plugin"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def _absent_parts() -> dict[str, str]:
    """Tell why a part of the tests cannot run here."""
    parts: dict[str, str] = {}
    if missed := absent.missing("pydantic-settings"):  # What only the extra `standalone` brings.
        reason = absent.not_installed(missed)
        parts |= {"test_config*.py": reason, "test_standalone*.py": reason}
    if missed := absent.missing("nonebot2"):
        reason = absent.not_installed(missed)
        parts |= {"tests/adapters": reason, "tests/compat": reason}
    if missed := absent.missing("sphinx", "mypy", "nonebot2"):
        parts["tests/docs/test_*.py"] = absent.not_installed(missed)
    elif "DOCS_SITE" not in os.environ:
        parts["docs/test_site*.py"] = "DOCS_SITE does not name the built site: tox -e docs"
    if sys.platform == "win32":
        reason = "Windows has no gunicorn and no Unix sockets"
        parts |= {"test_gunicorn*.py": reason, "test_unix*.py": reason}
    return parts


_ABSENT_PARTS = _absent_parts()

load_profile()


def pytest_configure(config: pytest.Config) -> None:
    """Let what cannot run here be deselected."""
    absent.register(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what would not even import."""
    return absent.leave_out(config, collection_path, _ABSENT_PARTS)


def pytest_collection_finish() -> None:
    """Take all that was imported out of the search for leaks, which then takes no time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _all_records_of_the_package() -> Iterator[None]:
    """Log them at once and of every level, whatever drivers other tests have made."""
    own_logger.release()
    own_logger.set_level(0)
    yield
    own_logger.set_level(0)


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Run async tests on asyncio's loop; those marked `both_loops` on uvloop too."""
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("both_loops"):
        factories["uvloop"] = _new_uvloop
    return factories


def _new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs uvloop where that is not installed."""
    marks = absent.needs("uvloop")
    for item in items:
        params = item.callspec.params if marks and hasattr(item, "callspec") else {}
        if _new_uvloop in params.values():
            item.add_marker(marks[0])


@pytest.fixture(autouse=True)
def process_unchanged() -> Iterator[None]:
    """Fail if signal handlers or sinks of logs are not as they were before the test."""
    before = process_state()
    yield
    if changed := changes(before, process_state()):
        pytest.fail("the test has left behind: " + "; ".join(changed))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an environment without proxies, whatever this machine has."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest, process_unchanged: None) -> None:
    """Check an async test's loop, too."""
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("loop_left_clean")


@pytest.fixture
async def loop_left_clean() -> AsyncIterator[None]:
    """Fail if a task, an aiohttp session or a socket is left when the other fixtures are gone."""
    leaks = Leaks()
    yield
    if leftovers := await leaks.found():
        pytest.fail("the test has left behind: " + "; ".join(leftovers))


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Collect what the test logs through loguru, and check whom the records are about."""
    with collected_logs() as collected:
        yield collected
    collected.check_fields()


@pytest.fixture
def fake_clock() -> FakeClock:
    """Give a clock that stands still."""
    return FakeClock()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Give certificates."""
    return make_tls(tmp_path_factory.mktemp("tls"))
