"""A bot on an event loop that a program has made: ``python -m tests.process.bots.serving PORT``."""

from __future__ import annotations

import asyncio
import signal
import sys

from tests.process.bots.common import driver_of_test


async def main() -> None:
    driver = driver_of_test()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, driver.exit)
    await driver.serve(port=int(sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(main())
