"""A bot with real adapters whose matchers take their time, for every host."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import adapters_bot
import hosting
import nonebot
from journal import note
from nonebot.adapters import Bot, Event
from nonebot.params import EventPlainText

if TYPE_CHECKING:
    from starlette.applications import Starlette

hosting.init()
driver: Any = nonebot.get_driver()
adapters_bot.register_adapters(driver.config.adapters)
adapters_bot.register_hooks()

work = nonebot.on_command("work")
hang = nonebot.on_command("hang")
block = nonebot.on_command("block")


def name_of(text: str) -> str:
    """Return what stands behind the command."""
    return text.partition(" ")[2].strip()


@work.handle()
async def do_work(bot: Bot, event: Event, text: str = EventPlainText()) -> None:
    """Take a while, and call an API."""
    note("begun", id=name_of(text))
    await asyncio.sleep(driver.config.work_seconds)
    await bot.send(event, f"done {name_of(text)}")
    note("handled", id=name_of(text))


@hang.handle()
async def do_hang(text: str = EventPlainText()) -> None:
    """Never end, and say so when it is cut off."""
    note("begun", id=name_of(text))
    try:
        await asyncio.Event().wait()
    finally:
        note("cut off", id=name_of(text))


@block.handle()
def do_block(text: str = EventPlainText()) -> None:
    """Never end, in a thread, as every sync handler."""
    note("begun", id=name_of(text))
    time.sleep(600)


server_app = getattr(driver, "server_app", None)
asgi = getattr(driver, "asgi", None)


def site() -> Starlette:
    """Make a Starlette application with the bot in it."""
    return hosting.make_starlette(driver)


if __name__ == "__main__":
    hosting.run()
