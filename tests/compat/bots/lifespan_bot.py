"""A bot without an adapter that notes each step of its life, and the task of the step."""

import asyncio
import threading

import anyio
import hosting
import nonebot

from nonebot_aiohttp.testing import tell


def step(name: str) -> None:
    """Note a step and where it runs."""
    tell("step", name=name)
    if threading.current_thread() is threading.main_thread():
        tell("task", id=id(asyncio.current_task()))


async def background() -> None:
    """Run until NoneBot ends its tasks."""
    tell("background has started")
    try:
        await anyio.sleep_forever()
    finally:
        tell("background has ended")


def register_trouble() -> None:
    """Register startup hooks that fail or hang, where the test asks for them."""
    driver = nonebot.get_driver()

    if getattr(driver.config, "startup_fails", False):

        @driver.on_startup
        async def failing() -> None:
            raise RuntimeError("this hook always fails")

    if getattr(driver.config, "startup_hangs", False):

        @driver.on_startup
        async def hanging() -> None:
            tell("the startup hangs")
            await anyio.sleep_forever()


def register() -> None:
    """Register hooks of each kind, sync and async."""
    driver = nonebot.get_driver()

    @driver.on_startup
    async def first() -> None:
        step("startup 1")
        driver.task_group.start_soon(background)

    @driver.on_startup
    def second() -> None:
        step("startup 2")

    @driver._lifespan.on_ready
    async def ready() -> None:
        step("ready")

    @driver.on_shutdown
    async def last() -> None:
        step("shutdown 1")

    @driver.on_shutdown
    def before_last() -> None:
        step("shutdown 2")

    register_trouble()


if __name__ == "__main__":
    nonebot.init()
    register()
    hosting.run()
