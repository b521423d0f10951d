"""A bot that calls an API for each message: the text is its name. It tells what comes of it."""

import nonebot
from nonebot.exception import AdapterException
from nonebot_aiohttp.testing import tell

from nonebot.adapters.pigeon import Adapter, Bot, MessageEvent


def asking() -> None:
    """Set up the bot, in its own process."""
    nonebot.get_driver().register_adapter(Adapter)
    nonebot.on_message(handlers=[ask])


async def ask(bot: Bot, event: MessageEvent) -> None:
    """Call the API. Its deadline is short, so that a test need not wait for long."""
    try:
        tell(event.text, result=await bot.call_api(event.text, _timeout=3))
    except AdapterException as error:
        tell(event.text, error=repr(error))
