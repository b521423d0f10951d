"""A bot with real adapters and the built-in echo plugin, as its user would write it."""

import importlib
from typing import Any

import hosting
import nonebot
from journal import note
from nonebot.adapters import Bot
from nonebot.drivers import URL

MODULES = {
    "onebot": "nonebot.adapters.onebot.v11",
    "onebot12": "nonebot.adapters.onebot.v12",
    "telegram": "nonebot.adapters.telegram",
    "discord": "nonebot.adapters.discord",
}


def register_adapters(names: list[str]) -> None:
    """Register adapters; Discord's address is fixed in the adapter, and is replaced."""
    driver = nonebot.get_driver()
    for name in names:
        driver.register_adapter(importlib.import_module(MODULES[name]).Adapter)
    if "discord" in names:
        adapter: Any = nonebot.get_adapter("Discord")
        adapter.base_url = URL(driver.config.discord_api)


def register_hooks() -> None:
    """Note who comes and goes, and what the answers to API calls were."""
    driver = nonebot.get_driver()

    @driver.on_bot_connect
    async def connected(bot: Bot) -> None:
        note("connected", id=bot.self_id)

    @driver.on_bot_disconnect
    async def disconnected(bot: Bot) -> None:
        note("disconnected", id=bot.self_id)

    @driver.on_shutdown
    async def shutdown() -> None:
        note("shutdown")

    @Bot.on_called_api
    async def called(
        bot: Bot, exception: Exception | None, api: str, data: dict[str, Any], result: Any
    ) -> None:
        note("called", api=api, error=repr(exception) if exception else None, result=repr(result))


def register_photo() -> None:
    """Register a command of Telegram's that uploads a file."""
    from nonebot.adapters.telegram import Bot as TelegramBot
    from nonebot.adapters.telegram.event import MessageEvent

    photo = nonebot.on_command("photo")

    @photo.handle()
    async def send_photo(bot: TelegramBot, event: MessageEvent) -> None:
        await bot.send_photo(chat_id=event.chat.id, photo=("图.png", b"\x00\xff"), caption="说明")


if __name__ == "__main__":
    hosting.init()
    adapters = nonebot.get_driver().config.adapters
    register_adapters(adapters)
    register_hooks()
    nonebot.load_builtin_plugin("echo")
    if "telegram" in adapters:
        register_photo()
    hosting.run()
