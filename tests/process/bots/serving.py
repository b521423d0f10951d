"""A bot on the event loop of a program that has its own: ``python -m tests.process.bots.serving``.

With the argument ``cancel`` SIGTERM cancels ``serve()``, otherwise it calls ``exit()``.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from tests.process.bots.common import driver_of_test, note_in_journal


async def main() -> None:
    """Serve until SIGTERM."""
    driver = driver_of_test()
    serving = asyncio.create_task(driver.serve(port=int(sys.argv[1])))
    stop = serving.cancel if "cancel" in sys.argv else driver.exit
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await serving
    except asyncio.CancelledError:
        note_in_journal("serve() was cancelled")


if __name__ == "__main__":
    asyncio.run(main())
