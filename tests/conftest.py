"""Fixtures for all tests, and the check after each that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import pytest_asyncio

from tests.support.certs import Tls, make_tls
from tests.support.clock import FakeClock
from tests.support.generating import load_profile
from tests.support.leaks import LoopWatch, changes, process_state
from tests.support.logs import Logs, collected_logs

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("pydantic_settings") is None:
    # What only the extra `standalone` brings.
    collect_ignore_glob += ["*/test_config*.py", "*/test_standalone*.py"]
if importlib.util.find_spec("nonebot") is None:
    collect_ignore_glob += ["adapters/*", "compat/*"]
if sys.platform == "win32":
    collect_ignore_glob += ["*/test_gunicorn*.py", "*/test_unix*.py"]


load_profile()


def pytest_collection_finish() -> None:
    """Take all that was imported out of the search for leaks, which then takes no time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Run async tests on asyncio's loop; those marked `both_loops` on uvloop too."""
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("both_loops") and importlib.util.find_spec("uvloop"):
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


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
    watch = LoopWatch()
    yield
    if leftovers := await watch.leftovers():
        pytest.fail("the test has left behind: " + "; ".join(leftovers))


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Collect what the test logs through loguru."""
    with collected_logs() as collected:
        yield collected


@pytest.fixture
def fake_clock() -> FakeClock:
    """Give a clock that stands still."""
    return FakeClock()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Give certificates."""
    return make_tls(tmp_path_factory.mktemp("tls"))
