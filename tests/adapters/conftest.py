"""Collect the tests of the adapters where all of them are installed, and deselect them elsewhere.

What is asked for and finds no test ends with an exit code of pytest's own, so nothing is hidden.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nonebot_aiohttp.testing.bots import drivers
from tests.support import absent
from tests.support.certs import one_authority

DISTRIBUTIONS = (
    "cryptography",
    "fastapi",
    "httpx",
    "nonebot-adapter-discord",
    "nonebot-adapter-feishu",
    "nonebot-adapter-github",
    "nonebot-adapter-kaiheila",
    "nonebot-adapter-milky",
    "nonebot-adapter-onebot",
    "nonebot-adapter-qq",
    "nonebot-adapter-satori",
    "nonebot-adapter-telegram",
    "nonebot2",
    "pyjwt",
    "trustme",
    "uvicorn",
    "websockets",
)
"""What these tests run with."""

DRIVERS = (drivers.STOCK[0], drivers.OURS)
"""What the suites run on where ``NONEBOT_TEST_DRIVERS`` chooses nothing else.

On NoneBot's own driver that is an event, and what is known to fail there: the rest of its tests
takes as long as those of ours, and a change of this project seldom breaks them.
"""

ON_STOCK = "test_an_event_is_answered"

_missing = absent.missing(*DISTRIBUTIONS)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what would not even import."""
    reasons = {"adapters/test_*.py": absent.not_installed(_missing)} if _missing else {}
    return absent.leave_out(config, collection_path, reasons)


def pytest_configure(config: pytest.Config) -> None:
    """Say which tests cannot run here."""
    absent.register(config)


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Iterator[None]:
    """Run each suite on one of NoneBot's own drivers and on ours, unless somebody has chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get(drivers.VARIABLE):
            patch.setenv(drivers.VARIABLE, ",".join(DRIVERS))
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what NoneBot's own driver passes, unless somebody has chosen drivers."""
    if os.environ.get(drivers.VARIABLE):
        return
    left_out = [item for item in items if _is_passed_by_stock(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_passed_by_stock(item: pytest.Item) -> bool:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    is_stock = params.get("driver") in drivers.STOCK
    is_known = item.get_closest_marker("xfail") is not None
    return is_stock and not is_known and getattr(item, "originalname", "") != ON_STOCK


_one_authority = pytest.fixture(scope="package", autouse=True)(one_authority)
