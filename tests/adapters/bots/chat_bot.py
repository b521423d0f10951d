"""A bot with one adapter, as its user would write it: it repeats what it is told.

``/say hello`` is answered with ``hello`` at once, ``/wait hello`` when SIGUSR1 has come.
"""

import asyncio
import importlib
import signal
from typing import Any

import adapters_bot
import hosting
import nonebot
from journal import note
from nonebot.adapters import Bot, Event
from nonebot.params import EventPlainText

hosting.init()
nonebot.get_driver().register_adapter(
    importlib.import_module(nonebot.get_driver().config.adapter).Adapter
)
adapters_bot.register_hooks()

say = nonebot.on_command("say")
wait = nonebot.on_command("wait")


@say.handle()
async def do_say(bot: Bot, event: Event, text: str = EventPlainText()) -> None:
    await answer(bot, event, text)


@wait.handle()
async def do_wait(bot: Bot, event: Event, text: str = EventPlainText()) -> None:
    go = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, go.set)
    note("begun")
    await go.wait()
    await answer(bot, event, text)


async def answer(bot: Any, event: Any, text: str) -> None:
    """Send back what stands behind the command, and note that it has been sent."""
    words = text.partition(" ")[2].strip()
    if bot.type == "GitHub":  # Only an installation of a GitHub App may write.
        async with bot.as_installation(event.payload.installation.id):
            await bot.send(event, words)
    else:
        await bot.send(event, words)
    note("answered")


if __name__ == "__main__":
    hosting.run()
