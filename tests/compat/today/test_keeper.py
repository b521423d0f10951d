"""NoneBot's lifespan in a task of its own, whoever starts and stops the driver."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from nonebot_aiohttp.exceptions import StartupError
from tests.support.logs import Logs
from tests.support.waiting import eventually, within

from ..support.choice import OURS, Candidate
from ..support.inprocess import make_driver


@pytest.fixture
def steps() -> list[str]:
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


async def test_shutdown_function_that_fails(own: Any, steps: list[str], logs: Logs) -> None:
    """NoneBot alone would skip the shutdown functions behind it."""

    async def fail() -> None:
        raise RuntimeError("this hook always fails")

    once(own, own.on_shutdown, fail)
    async with own.lifespan():
        await asyncio.sleep(0)
    assert steps == ["shutdown", "task ended"]
    assert logs.matching("this hook always fails", "ERROR")
    await assert_starts_again(own)


async def test_sync_shutdown_function(own: Any, steps: list[str]) -> None:
    """NoneBot calls it in a thread."""

    @own.on_shutdown  # type: ignore[untyped-decorator]
    def note() -> None:
        assert threading.current_thread() is not threading.main_thread()
        steps.append("sync")

    async with own.lifespan():
        await asyncio.sleep(0)
    assert steps == ["sync", "shutdown", "task ended"]


async def test_shutdown_of_nonebots_own_lifespan(own: Any, steps: list[str]) -> None:
    """Tools that do not know a host do so, and then there is no deadline."""
    async with own._lifespan:
        await asyncio.sleep(0)
    assert steps == ["shutdown", "task ended"]


async def test_disconnect_hook_that_hangs(steps: list[str], logs: Logs) -> None:
    """NoneBot shields its hooks, so that its task group would wait for them for ever."""
    driver = make_driver(Candidate(OURS), aiohttp_drain_timeout=0, aiohttp_close_timeout=0.5)

    async def start() -> None:
        driver.task_group.start_soon(shielded)

    driver.on_startup(start)

    async def shielded() -> None:
        with anyio.CancelScope(shield=True):
            try:
                await asyncio.Event().wait()
            finally:
                steps.append("cut off")

    life = driver.lifespan()
    await life.__aenter__()
    await within(life.__aexit__(None, None, None))
    assert steps == ["cut off"]
    (line,) = logs.matching("Cut off a task of driver.task_group", "ERROR")
    assert "shielded" in line.message


async def test_task_that_fails_is_said_to_end_the_lifespan(own: Any, logs: Logs) -> None:
    async def fail() -> None:
        raise RuntimeError("this task always fails")

    async with own.lifespan():
        own.task_group.start_soon(fail)
        await eventually(lambda: logs.matching("the bot has to be restarted"))


async def test_forced_end_is_not_said_to_be_a_failure(own: Any, logs: Logs) -> None:
    """Trap: a second Ctrl+C cancels all tasks, that of the lifespan among them."""
    async with own.lifespan():
        (keeping,) = (each for each in asyncio.all_tasks() if "_keep" in repr(each.get_coro()))
        keeping.cancel()
        await eventually(keeping.done)
    assert not logs.matching("has failed")
