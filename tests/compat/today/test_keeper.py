"""NoneBot's lifespan in a task of its own, whoever starts and stops the driver."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nonebot_aiohttp.exceptions import StartupError

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver
from ..support.network import eventually, within


@pytest.fixture
def steps() -> list[str]:
    """What has happened."""
    return []


@pytest.fixture
def own(steps: list[str]) -> Any:
    """A driver that notes its shutdown and the end of an event task."""
    driver = make_driver(Candidate(OURS))

    async def start() -> None:
        driver.task_group.start_soon(background)

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("task ended")

    async def shutdown() -> None:
        steps.append("shutdown")

    driver.on_startup(start)
    driver.on_shutdown(shutdown)
    return driver


async def assert_starts_again(driver: Any) -> None:
    """Assert that nothing of the last life is left."""
    with pytest.raises(RuntimeError):
        _ = driver.task_group
    async with driver.lifespan():
        assert driver.task_group is not None


async def test_start_and_stop_from_different_tasks(own: Any, steps: list[str]) -> None:
    life = own.lifespan()
    await asyncio.create_task(life.__aenter__())
    await asyncio.sleep(0)
    await asyncio.create_task(life.__aexit__(None, None, None))
    assert steps == ["shutdown", "task ended"]


def once(driver: Any, register: Callable[[Any], Any], hook: Callable[[], Any]) -> None:
    """Register a hook that does something in the first life only."""
    lives = iter((True,))

    async def first_time() -> None:
        if next(lives, False):
            await hook()

    register(first_time)


async def test_startup_function_that_waits_for_what_was_cancelled(
    own: Any, steps: list[str]
) -> None:
    async def wait() -> None:
        await asyncio.sleep(0)
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    once(own, own.on_startup, wait)
    with pytest.raises(StartupError):
        await within(own.lifespan().__aenter__())
    assert steps == ["shutdown", "task ended"]
    await assert_starts_again(own)


async def test_start_that_is_given_up(own: Any, steps: list[str]) -> None:
    hanging = asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await asyncio.Event().wait()

    once(own, own.on_startup, hang)
    starting = asyncio.create_task(own.lifespan().__aenter__())
    await within(hanging.wait())
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await eventually(lambda: "task ended" in steps)
    assert steps == ["shutdown", "task ended"]
    await assert_starts_again(own)


async def test_shutdown_function_that_fails(own: Any, steps: list[str]) -> None:
    """NoneBot runs none of those that are left then; but its tasks end."""

    async def fail() -> None:
        raise RuntimeError("this hook always fails")

    once(own, own.on_shutdown, fail)
    async with own.lifespan():
        await asyncio.sleep(0)
    assert steps == ["task ended"]
    await assert_starts_again(own)
