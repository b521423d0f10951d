"""The event loop of the own process: what it waits for at its end, and for how long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp.hosts import process
from nonebot_aiohttp.hosts.process import run_loop, serve_process
from nonebot_aiohttp.hosts.signals import StopSignals
from nonebot_aiohttp.life.deadline import Deadline
from nonebot_aiohttp.life.tasks import start_task
from tests.support.logs import Logs


def nothing() -> None:
    """Log nothing of what is cut off."""


def run(main: Coroutine[Any, Any, None], seconds_for_threads: float) -> None:
    """Run a coroutine as the own process does, without a signal."""
    lifespan: Any = SimpleNamespace(cut_off=nothing, deadline=Deadline(0, seconds_for_threads))
    signals = StopSignals(nothing, nothing, time.monotonic)
    run_loop(main, asyncio.new_event_loop, signals, lifespan)


def test_threads_may_use_the_loop_until_they_have_ended(logs: Logs) -> None:
    answers: list[str] = []
    ending = threading.Event()
    kept: list[object] = []

    def work(loop: asyncio.AbstractEventLoop) -> None:
        ending.wait()
        call = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "answer"), loop)
        answers.append(call.result())

    async def set_when_cancelled() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ending.set()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        kept.extend([loop.run_in_executor(None, work, loop), start_task(set_when_cancelled())])
        await asyncio.sleep(0)

    run(main(), 60)
    assert answers == ["answer"]
    assert logs == []


def test_a_thread_that_hangs_holds_up_no_loop(logs: Logs) -> None:
    """As `getaddrinfo` does without a network."""
    released = threading.Event()
    # Nobody waits for it.
    kept: list[object] = []

    async def main() -> None:
        kept.append(asyncio.get_running_loop().run_in_executor(None, released.wait))

    try:
        run(main(), 0.01)
    finally:
        released.set()
    assert logs == []


def test_an_async_generator_that_does_not_end_holds_up_no_loop() -> None:
    kept: list[object] = []

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        generator = endless()
        kept.append(generator)
        await generator.__anext__()

    run(main(), 0)


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_of_the_server_is_the_programs(
    error: BaseException, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The console would replace the sink of the tests.
    monkeypatch.setattr(process, "console_logging", lambda level: nullcontext())

    async def fail() -> None:
        raise error

    lifespan: Any = SimpleNamespace(cut_off=nothing, deadline=Deadline(0, 1))
    with pytest.raises(type(error)) as raised:
        serve_process(fail(), lifespan, loop="asyncio", log_level="INFO", stop=nothing)
    assert raised.value is error
    assert logs.messages("ERROR") == []
