"""What the kit restores of NoneBot2's hooks, whose containers have private names."""

from collections.abc import Callable, Iterator
from typing import Any

import nonebot.adapters
import nonebot.drivers
import nonebot.message
import pytest

from nonebot_aiohttp.testing.bots.hooks import restored_hooks

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver


async def hook() -> None:
    """Is registered everywhere."""


@pytest.fixture(params=[OURS, "~fastapi+~httpx"])
def driver(request: pytest.FixtureRequest) -> Any:
    """This driver, and one of NoneBot2's own."""
    return make_driver(Candidate(request.param))


REGISTRATIONS: dict[str, Callable[[Any], Any]] = {
    "on_calling_api": lambda driver: nonebot.adapters.Bot.on_calling_api(hook),  # type: ignore[arg-type]
    "on_called_api": lambda driver: nonebot.adapters.Bot.on_called_api(hook),  # type: ignore[arg-type]
    "event_preprocessor": lambda driver: nonebot.message.event_preprocessor(hook),
    "event_postprocessor": lambda driver: nonebot.message.event_postprocessor(hook),
    "run_preprocessor": lambda driver: nonebot.message.run_preprocessor(hook),
    "run_postprocessor": lambda driver: nonebot.message.run_postprocessor(hook),
    "on_bot_connect": lambda driver: driver.on_bot_connect(hook),
    "on_bot_disconnect": lambda driver: driver.on_bot_disconnect(hook),
    "on_startup": lambda driver: driver.on_startup(hook),
    "on_shutdown": lambda driver: driver.on_shutdown(hook),
}


def containers(driver: Any) -> Iterator[Any]:
    """Yield all containers that may have got the hook, wherever this version has them."""
    for owner in (
        nonebot.adapters.Bot,
        nonebot.drivers.Driver,
        nonebot.message,
        driver._lifespan,
        getattr(driver, "_functions", None),
    ):
        for found in vars(owner).values() if owner else ():
            if isinstance(found, set | list):
                yield found


@pytest.mark.parametrize("kind", REGISTRATIONS)
def test_a_hook_is_found_and_is_gone_afterwards(driver: Any, kind: str) -> None:
    before = [list(each) for each in containers(driver)]
    with restored_hooks(driver=driver) as hooks:
        REGISTRATIONS[kind](driver)
        assert [list(each) for each in containers(driver)] != before
        (added,) = hooks.added()
        assert added.startswith(f"{kind} of ")
        assert added.endswith(f": {__name__}.hook")
    assert [list(each) for each in containers(driver)] == before


def test_the_hooks_of_a_driver_stay_if_it_is_not_passed(driver: Any) -> None:
    with restored_hooks() as hooks:
        driver.on_startup(hook)
        driver.on_bot_connect(hook)
        (added,) = hooks.added()
    assert added.startswith("on_bot_connect of nonebot.")
    assert hook in driver._lifespan._startup_funcs
