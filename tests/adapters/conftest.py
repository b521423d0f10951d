"""Collect the tests of the adapters where all of them are installed, and none elsewhere.

What is asked for and finds no test ends with an exit code of pytest's own, so nothing is hidden.
"""

import pytest

from tests.compat.support.choice import has_all_of, is_absent, parametrize, place

DISTRIBUTIONS = (
    "cryptography",
    "fastapi",
    "httpx",
    "nonebot-adapter-feishu",
    "nonebot-adapter-github",
    "nonebot-adapter-kaiheila",
    "nonebot-adapter-milky",
    "nonebot-adapter-onebot",
    "nonebot-adapter-qq",
    "nonebot-adapter-satori",
    "nonebot2",
    "pyjwt",
    "trustme",
    "uvicorn",
    "websockets",
)
"""What these tests run with."""

collect_ignore_glob = [] if has_all_of(*DISTRIBUTIONS) else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks that choose drivers."""
    config.addinivalue_line(
        "markers",
        "stock_is_wrong(part, reason, before=None): leave out NoneBot's own drivers whose line has "
        "that part, for good or before a version",
    )
    config.addinivalue_line("markers", "absent: nobody is there to run it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test over NoneBot's own drivers and ours."""
    parametrize(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop what nobody can run, and put the others in the order of their drivers."""
    items[:] = sorted((item for item in items if not is_absent(item)), key=place)
