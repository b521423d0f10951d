"""The event loop of the own process: what it waits for at its end, and for how long."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nonebot_aiohttp import process
from nonebot_aiohttp.process import run_loop
from nonebot_aiohttp.tasks import start_task
from tests.support.logs import Logs


def nothing() -> None:
    """Log nothing of what is cut off."""


def test_threads_may_use_the_loop_until_they_have_ended(logs: Logs) -> None:
    answers: list[str] = []
    ending = threading.Event()

    def work(loop: asyncio.AbstractEventLoop) -> None:
        ending.wait()
        call = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "answer"), loop)
        answers.append(call.result())

    async def set_when_cancelled() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ending.set()

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        kept = [loop.run_in_executor(None, work, loop), start_task(set_when_cancelled())]
        await asyncio.sleep(0)
        return kept

    run_loop(main(), asyncio.new_event_loop, nothing)
    assert answers == ["answer"]
    assert logs == []


def test_a_thread_that_hangs_holds_up_no_loop(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `getaddrinfo` does without a network."""
    monkeypatch.setattr(process, "THREADS_GRACE", 0.01)
    released = threading.Event()

    async def main() -> Any:
        # In a list, for nobody waits for it.
        return [asyncio.get_running_loop().run_in_executor(None, released.wait)]

    try:
        run_loop(main(), asyncio.new_event_loop, nothing)
    finally:
        released.set()
    assert logs.messages() == ["Threads that have not ended hold up the end of the process"]
