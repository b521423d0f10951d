"""Collect the suite of the NoneBot2 that is installed, and nothing where there is none.

A suite needs NoneBot's own drivers and the adapters too; without one of them none of it is
collected, which pytest reports by its exit code where it was asked for nothing else.
"""

import importlib.util
from collections.abc import AsyncIterator

import aiohttp
import pytest

from .support.choice import has_all_of, is_absent, nonebot_version, parametrize, place
from .support.onebot import Platform, platform

TODAY = (
    "aiohttp",
    "fastapi",
    "httpx",
    "nb-cli",
    "nonebot-adapter-discord",
    "nonebot-adapter-onebot",
    "nonebot-adapter-telegram",
    "nonebug",
    "python-multipart",
    "uvicorn",
    "websockets",
)
"""Distributions that the suite for today's NoneBot2 runs with."""

if importlib.util.find_spec("hypothesis"):  # NoneBot 2.0.0a16 is tested without it.
    # As in tests/conftest.py, which pytest does not read for this suite.
    from tests.support.generating import load_profile

    load_profile()

_installed = nonebot_version()

# The suite in "nonebug" is run by a test, in a process of its own.
collect_ignore = ["nonebug"]
if _installed is None or _installed < (2, 4) or not has_all_of(*TODAY):
    collect_ignore.append("today")
if not has_all_of("nonebot-plugin-shiro-web-console"):
    collect_ignore.append("today/test_store_plugins.py")
if not has_all_of("nonebot-plugin-botui"):  # It needs the newest NoneBot2.
    collect_ignore.append("today/test_botui.py")
if _installed != (2, 0, 0) or not has_all_of("nonebot-adapter-cqhttp"):
    collect_ignore.append("a16")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks of this suite."""
    config.addinivalue_line(
        "markers",
        "stock_is_wrong(part, reason, before=None): leave out NoneBot's own drivers whose line has "
        "that part, for good or before a version",
    )
    config.addinivalue_line(
        "markers",
        "not_under(host, reason, before=None): leave out a host, for good or before a version of "
        "aiohttp",
    )
    config.addinivalue_line("markers", "needs_nonebot(version): the oldest NoneBot2 that has it")
    config.addinivalue_line("markers", "absent: nobody is there to run it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test over the drivers of its group."""
    parametrize(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop what nobody can run here: such a test does not exist, it is not skipped.

    The others are put in the order of their drivers, so that each bot is started once a module.
    """
    items[:] = sorted((item for item in items if not is_absent(item)), key=place)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP and WebSocket client that keeps no cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    """A platform of OneBot v11."""
    async with platform() as there:
        yield there


@pytest.fixture(scope="session")
def _nonebot_init() -> None:
    """Keep nonebug, where it is installed, from starting NoneBot in this process."""


@pytest.fixture(scope="session")
def after_nonebot_init() -> None:
    """Keep nonebug out, too."""


@pytest.fixture(scope="session")
def nonebug_init() -> None:
    """Keep nonebug out, too."""
