"""A bot with real adapters, the built-in echo plugin and commands of its own, for every host."""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import TYPE_CHECKING, Any

import hosting
import nonebot
from nonebot.adapters import Bot, Event
from nonebot.params import EventPlainText

from nonebot_aiohttp.testing import tell

if TYPE_CHECKING:
    from starlette.applications import Starlette

MODULES = {
    "onebot": "nonebot.adapters.onebot.v11",
    "telegram": "nonebot.adapters.telegram",
}

nonebot.init()
driver = nonebot.get_driver()
for each in driver.config.adapters:
    driver.register_adapter(importlib.import_module(MODULES[each]).Adapter)


@driver.on_bot_connect
async def connected(bot: Bot) -> None:
    tell("connected", id=bot.self_id)


@driver.on_bot_disconnect
async def disconnected(bot: Bot) -> None:
    tell("disconnected", id=bot.self_id)


@driver.on_shutdown
async def shutdown() -> None:
    tell("shutdown")


@Bot.on_called_api
async def called(
    bot: Bot, exception: Exception | None, api: str, data: dict[str, Any], result: Any
) -> None:
    tell("called", api=api, error=repr(exception) if exception else None, result=repr(result))


nonebot.load_builtin_plugin("echo")
work = nonebot.on_command("work")
hang = nonebot.on_command("hang")
block = nonebot.on_command("block")


def behind_command(text: str) -> str:
    return text.partition(" ")[2].strip()


@work.handle()
async def do_work(bot: Bot, event: Event, text: str = EventPlainText()) -> None:
    """Take a while, and call an API."""
    name = behind_command(text)
    tell("begun", id=name)
    await asyncio.sleep(getattr(driver.config, "work_seconds", 0.5))
    await bot.send(event, f"done {name}")
    tell("handled", id=name)


@hang.handle()
async def do_hang(text: str = EventPlainText()) -> None:
    """Never end, and say so when it is cut off."""
    tell("begun", id=behind_command(text))
    try:
        await asyncio.Event().wait()
    finally:
        tell("cut off", id=behind_command(text))


@block.handle()
def do_block(text: str = EventPlainText()) -> None:
    """Never end, in a thread, as every sync handler."""
    tell("begun", id=behind_command(text))
    time.sleep(600)


server_app = getattr(driver, "server_app", None)
asgi = getattr(driver, "asgi", None)


def site() -> Starlette:
    return hosting.make_starlette(driver)


if __name__ == "__main__":
    hosting.run()
