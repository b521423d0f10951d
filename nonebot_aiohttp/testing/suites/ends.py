"""The end of a bot, and of the event loop of a test."""

from __future__ import annotations

import asyncio
import re

from ..bots.process import BotProcess
from ..common.journal import NothingCame

STOPS = re.compile(r"shutting down|waiting for|stopping|in flight", re.IGNORECASE)
"""What servers and drivers log when they begin to stop: uvicorn, NoneBot2's own, this one."""

_PAUSE = 0.05
"""Seconds between two looks at a bot that says nothing of its stop."""


async def begin_to_stop(bot: BotProcess, deadline: float) -> None:
    """Ask a bot to stop, and wait until it has begun to: it says so, or takes no connections.

    Other lines may come by chance, such as of an event, and tell nothing.

    Args:
        bot: The bot.
        deadline: Seconds.

    Raises:
        NothingCame: The seconds have passed.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    listened = await _takes_connections(bot)
    asked_at = len(bot.log)
    bot.ask_to_stop()
    while bot.is_running and not any(map(STOPS.search, bot.log[asked_at:])):
        if listened and not await _takes_connections(bot):
            return
        if loop.time() > end:
            raise NothingCame("the begin of the bot's stop", deadline)
        await asyncio.sleep(_PAUSE)


async def _takes_connections(bot: BotProcess) -> bool:
    try:
        _, writer = await asyncio.open_connection(bot.host, bot.port)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def ended() -> None:
    """Cancel the other tasks of this event loop, and end its generators and threads."""
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
