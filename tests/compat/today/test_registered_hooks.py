"""Startup and shutdown functions of NoneBot, which cannot be called, are refused at once."""

from functools import partial
from typing import Any

import pytest

from nonebot_aiohttp import RegistrationError

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver, started


@pytest.fixture(params=[OURS, f"~none+{OURS}"])
def driver(request: pytest.FixtureRequest) -> Any:
    """A driver with both halves, and one that has only the client's."""
    return make_driver(Candidate(request.param))


@pytest.mark.parametrize("where", ["on_startup", "on_shutdown"])
def test_a_function_that_cannot_be_called_is_refused(driver: Any, where: str) -> None:
    def needs(database: object) -> None:
        """Do nothing."""

    with pytest.raises(
        RegistrationError, match=r"it is called as needs\(\), but takes \(database\)"
    ):
        getattr(driver, where)(needs)
    with pytest.raises(RegistrationError, match=f"{where} takes a function, not None"):
        getattr(driver, where)(None)


async def test_functions_that_can_be_called_run(driver: Any) -> None:
    steps: list[str] = []

    async def start() -> None:
        steps.append("start")

    for _ in range(2):
        assert driver.on_startup(start) is start
    driver.on_startup(partial(steps.append, "partial"))
    driver.on_shutdown(lambda name="stop": steps.append(name))
    async with started(driver):
        assert steps == ["start", "start", "partial"]
    assert steps[3:] == ["stop"]
