"""Which ends of a bot in a process of its own the kit takes for good, and which it does not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nonebot_aiohttp.testing.bots import ports
from nonebot_aiohttp.testing.bots.base import BadEnd, LeftBehind
from nonebot_aiohttp.testing.bots.output import Output
from nonebot_aiohttp.testing.bots.process import BotProcess
from nonebot_aiohttp.testing.inside.telling import END, START
from tests.kit import test_process as programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

ports.claim()

FAILS = """
async def after():
    kept.append(asyncio.create_task(forever(), name="kept"))
    sys.exit(1)
"""
"""A stop that fails half-way, and leaves a task."""

CRASHES = """
async def before():
    for number in (signal.SIGUSR1, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, print, "got it")
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, os._exit, 4)
"""
"""It crashes at SIGUSR2, and goes on at other signals."""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., BotProcess]:
    """Describe a bot that changes some functions of the program."""
    return lambda more="", **options: programs.bot(tmp_path / "bot.py", more, **options)


async def test_a_stop_with_another_code_is_a_bad_end(make: Callable[..., BotProcess]) -> None:
    running: BotProcess = make(FAILS)
    await asyncio.to_thread(running.start)
    assert await running.stop() == 1
    assert running.exit_code == 1
    with pytest.raises(BadEnd, match="ended with exit code 1 when it was stopped") as raised:
        running.finish()
    assert isinstance(raised.value, LeftBehind)
    assert "a task that still runs after all shutdown hooks: kept" in str(raised.value)


async def test_a_test_may_expect_another_code(make: Callable[..., BotProcess]) -> None:
    async with make(FAILS, check_leaks=False) as running:
        running.ask_to_stop()
        running.ask_to_stop()
        assert await running.ended() == 1


async def test_what_is_left_counts_when_the_test_expects_the_code(
    make: Callable[..., BotProcess],
) -> None:
    running: BotProcess = make(FAILS)
    await asyncio.to_thread(running.start)
    running.ask_to_stop()
    assert await running.ended() == 1
    with pytest.raises(LeftBehind, match="a task that still runs") as raised:
        running.finish()
    assert "exit code" not in str(raised.value).partition("\n\n")[0]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
async def test_a_signal_does_not_excuse_a_later_crash(
    make: Callable[..., BotProcess], number: int
) -> None:
    running: BotProcess = make(CRASHES)
    await asyncio.to_thread(running.start)
    running.signal(number)
    await running.logged("got it")
    os.kill(running.pid, signal.SIGUSR2)
    with pytest.raises(AssertionError, match="has ended without"):
        await running.logged("something")
    with pytest.raises(BadEnd, match=rf"after signal {number:d}, with exit code 4"):
        running.finish()


async def test_a_signal_excuses_its_own_end(make: Callable[..., BotProcess]) -> None:
    async with make() as running:
        running.signal(signal.SIGUSR1)
        with pytest.raises(AssertionError, match="has ended without"):
            await running.logged("something")
    assert running.exit_code == -signal.SIGUSR1


async def test_a_start_that_is_cancelled_leaves_no_process(
    make: Callable[..., BotProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    running: BotProcess = make("\nbefore = forever\n")
    launch = running.launch
    begins, goes_on, launched = threading.Event(), threading.Event(), threading.Event()

    def slowly() -> None:
        begins.set()
        if threading.current_thread() is not threading.main_thread():
            goes_on.wait(10)
        launch()
        launched.set()

    monkeypatch.setattr(running, "launch", slowly)
    entering = asyncio.create_task(running.__aenter__())
    await asyncio.to_thread(begins.wait)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    goes_on.set()
    assert await asyncio.to_thread(launched.wait, 10)
    try:
        assert not running.is_running
    finally:
        running.kill()


def _output() -> tuple[Output, int, list[str], list[dict[str, Any]]]:
    reading, writing = os.pipe()
    lines: list[str] = []
    entries: list[dict[str, Any]] = []
    return Output(reading, lines.append, entries.append), writing, lines, entries


def test_a_huge_line_and_a_huge_entry_are_read_in_linear_time() -> None:
    size = 24 << 20
    output, writing, lines, entries = _output()
    with open(writing, "wb") as pipe:
        pipe.write(b"a" * size + b"\n")
        pipe.write(START + b'{"text": "' + b"b" * size + b'"}' + END + b"the end")
    assert output.join(10)
    assert [len(line) for line in lines] == [size, 7]
    assert [len(entry["text"]) for entry in entries] == [size]
