"""``run()``, which stops by a signal when a bot has connected, and notes its functions."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from nonebot_aiohttp import Bot
from tests.process.bots.common import driver_of_test, note_in_journal
from tests.support.walks import entered


def stop() -> None:
    """Send SIGTERM to this process.

    Its handler runs within the call that unblocks the signal. Otherwise it might run within the
    function that records, where calls are not recorded.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.raise_signal(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def stop_soon(_: Bot) -> None:
    """Send SIGTERM when the driver is reading from the bot."""
    asyncio.get_running_loop().call_soon(stop)


if __name__ == "__main__":
    driver = driver_of_test()
    driver.on_bot_connect(stop_soon)
    with entered(json.loads(sys.argv[1])) as order:
        driver.run()
    for name in order:
        note_in_journal(f"entered {name}")
