"""Collect the suite of the NoneBot2 that is installed, and deselect the others.

A suite needs NoneBot's own drivers and the adapters too; without one of them all of it is
deselected, which pytest reports by its exit code where it was asked for nothing else.
"""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import absent

from .support.choice import mark_absent, nonebot_version, parametrize, place
from .support.onebot import Platform

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

# The suite in "nonebug" is run by a test, in a process of its own.
collect_ignore = ["nonebug"]


def _absent_parts() -> dict[str, str]:
    """Tell why a part of the suite cannot run here."""
    installed = nonebot_version()
    parts = {}
    if installed is None or installed < (2, 4):
        parts["compat/today"] = "needs NoneBot2 2.4.0"
    elif missed := absent.missing(*TODAY):
        parts["compat/today"] = absent.not_installed(missed)
    if missed := absent.missing("nonebot-plugin-shiro-web-console"):
        parts["today/test_store_plugins.py"] = absent.not_installed(missed)
    if missed := absent.missing("nonebot-plugin-botui"):  # It needs the newest NoneBot2.
        parts["today/test_botui.py"] = absent.not_installed(missed)
    if installed != (2, 0, 0):
        parts["compat/a16"] = "needs NoneBot 2.0.0a16"
    elif missed := absent.missing("nonebot-adapter-cqhttp"):
        parts["compat/a16"] = absent.not_installed(missed)
    return parts


_ABSENT_PARTS = _absent_parts()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what would not even import."""
    return absent.leave_out(config, collection_path, _ABSENT_PARTS)


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
    absent.register(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test over the drivers of its group."""
    parametrize(metafunc)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a newer NoneBot2, and start each bot once a module: order by drivers."""
    mark_absent(items)
    items.sort(key=place)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP and WebSocket client that keeps no cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


@pytest.fixture
async def there() -> AsyncIterator[Platform]:
    """A platform of OneBot v11."""
    async with Platform() as there:
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
