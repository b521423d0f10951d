"""Coroutines that tests start: one that waits, and one that fails."""

from __future__ import annotations

import asyncio


class Waiting:
    """A coroutine's wait that a test ends."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.ends: list[str] = []

    async def run(self, stubborn: bool = False) -> str:
        """Wait; one that is stubborn goes on waiting when it is cancelled."""
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            if stubborn:
                await self.released.wait()
            raise
        self.ends.append("released")
        return "result"


async def fail(error: BaseException, wait: bool = False) -> None:
    """Raise the error, at once or when others had their turn."""
    if wait:
        await asyncio.sleep(0)
    raise error
