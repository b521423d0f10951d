"""A bot with real adapters, the built-in echo plugin and commands of its own, for every host."""

from __future__ import annotations

import asyncio
import importlib
import signal
import time
from typing import TYPE_CHECKING, Any

import hosting
import nonebot
from nonebot.adapters import Bot, Event
from nonebot.drivers import URL
from nonebot.params import EventPlainText

from nonebot_aiohttp.testing import tell

if TYPE_CHECKING:
    from starlette.applications import Starlette

MODULES = {
    "onebot": "nonebot.adapters.onebot.v11",
    "telegram": "nonebot.adapters.telegram",
    "discord": "nonebot.adapters.discord",
}

nonebot.init()
driver = nonebot.get_driver()
for each in driver.config.adapters:
    driver.register_adapter(importlib.import_module(MODULES.get(each, each)).Adapter)
if "discord" in driver.config.adapters:
    # Its address is fixed in the adapter.
    discord: Any = nonebot.get_adapter("Discord")
    discord.base_url = URL(driver.config.discord_api)


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
say = nonebot.on_command("say")
wait = nonebot.on_command("wait")
work = nonebot.on_command("work")
hang = nonebot.on_command("hang")
block = nonebot.on_command("block")
photo = nonebot.on_command("photo")


def behind_command(text: str) -> str:
    return text.partition(" ")[2].strip()


async def answer(bot: Any, event: Any, text: str) -> None:
    if bot.type == "GitHub":  # Only an installation of a GitHub App may write.
        async with bot.as_installation(event.payload.installation.id):
            await bot.send(event, text)
    else:
        await bot.send(event, text)


@say.handle()
async def do_say(bot: Bot, event: Event, text: str = EventPlainText()) -> None:
    await answer(bot, event, behind_command(text))
    tell("answered")


@wait.handle()
async def do_wait(bot: Bot, event: Event, text: str = EventPlainText()) -> None:
    """Answer when SIGUSR1 comes."""
    go = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, go.set)
    tell("begun")
    await go.wait()
    await answer(bot, event, behind_command(text))
    tell("answered")


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


@photo.handle()
async def send_photo(bot: Bot, event: Event) -> None:
    """Upload a file to Telegram."""
    chat = event.get_session_id().rpartition("_")[2]
    await bot.send_photo(chat_id=chat, photo=("图.png", b"\x00\xff"), caption="说明")


server_app = getattr(driver, "server_app", None)
asgi = getattr(driver, "asgi", None)


def site() -> Starlette:
    return hosting.make_starlette(driver)


if __name__ == "__main__":
    hosting.run()
