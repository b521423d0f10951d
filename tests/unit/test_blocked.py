"""The watch over an event loop that is blocked: whom it names, and when it says nothing."""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nonebot_aiohttp.life import blocked
from nonebot_aiohttp.life.blocked import BlockedWatch, debug_watches
from tests.support.logs import Logs
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_loops

LIMIT, PAUSE = 0.1, 0.02
HERE = "tests/unit/test_blocked.py"


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Watch the running loop, with a short limit."""
    watch = BlockedWatch(LIMIT, PAUSE)
    watch.start()
    try:
        # The watch has to know what lies below the loop's callbacks.
        await eventually(knows_depth)
        yield
    finally:
        watch.stop()
    assert not threads()


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "blocked event loop"]


def knows_depth() -> bool:
    """Tell whether the loop has answered."""
    (thread,) = threads()
    watch: Any = thread._target.__self__  # type: ignore[attr-defined]
    return bool(watch._depth < sys.maxsize)


def block_until(is_over: Callable[[], object]) -> None:
    """Block the loop."""
    until = time.monotonic() + 30
    while not is_over():
        assert time.monotonic() < until
        time.sleep(PAUSE)


def block_for(seconds: float) -> None:
    """Block the loop for some seconds in many small calls."""
    until = time.monotonic() + seconds
    block_until(lambda: time.monotonic() >= until)


async def test_a_blocked_loop_is_said_once_with_the_users_line_and_at_its_end(logs: Logs) -> None:
    async with watched():
        block_until(lambda: logs)
        block_for(3 * LIMIT)
        assert len(logs) == 1
        await eventually(lambda: len(logs) == 2)
    first, last = logs.messages("WARNING")
    # The innermost line of the user's files, and not that of the standard library.
    assert first.startswith("The event loop has been blocked for 0.")
    assert f" s at {HERE}:" in first
    assert " in block_until: await what waits, such as asyncio.sleep(), or run it in a" in first
    assert last.startswith("The event loop was blocked for 0.")
    assert last.endswith(first.partition(" s at ")[2].partition(": ")[0])


async def test_a_second_blockage_is_said_again(logs: Logs) -> None:
    async with watched():
        for count in (1, 3):
            block_until(lambda count=count: len(logs) == count)  # type: ignore[misc]
            await eventually(lambda count=count: len(logs) == count + 1)  # type: ignore[misc]
    assert len(logs.matching("has been blocked")) == 2


async def test_a_loop_that_waits_or_has_much_to_call_is_not_blocked(logs: Logs) -> None:
    loop = asyncio.get_running_loop()
    async with watched():
        await asyncio.wait({loop.create_future()}, timeout=3 * LIMIT)
        for _ in range(15):
            loop.call_soon(block_for, PAUSE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks = [asyncio.ensure_future(asyncio.to_thread(time.sleep, 3 * LIMIT))]
        await asyncio.wait(tasks)
    assert logs == []


async def test_a_process_that_stood_still_is_not_blocked(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks of a thread that was suspended lies any time, but no work."""
    loop = asyncio.get_running_loop()
    watch = blocked._LoopWatch(loop, threading.get_ident(), 0.5, 0.1)
    times = iter([60.0 * number for number in range(10)])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(watch, "_busy", lambda: 0.0)
    watch.beat()
    # All that this thread runs counts as one call of the loop.
    watch._depth = 0
    watch._answered = None
    monkeypatch.setattr(blocked, "time", clock)
    for _ in range(3):
        watch._look()
    assert watch._held <= 0.4
    assert logs == []


async def test_where_a_thread_has_no_clock_it_is_watched_all_the_same(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    async with watched():
        block_until(lambda: logs)


async def test_a_breakpoint_is_not_a_blockage(logs: Logs, tmp_path: Path) -> None:
    program = tmp_path / "at_breakpoint.py"
    program.write_text("def stand(block):\n    block()\n")
    stand = runpy.run_path(str(program), run_name="pdb")["stand"]
    async with watched():
        stand(lambda: block_for(3 * LIMIT))
    assert logs == []


async def test_the_watch_ends_when_the_loop_is_closed_without_a_stop() -> None:
    def run() -> None:
        async def main() -> None:
            BlockedWatch(LIMIT, PAUSE).start()

        asyncio.run(main())

    await asyncio.to_thread(run)
    await eventually(lambda: not threads())


# Whom it names


def frames_of(folder: Path, *modules: tuple[str, str]) -> list[Any]:
    """Make frames, each of a function `work` in a file below a folder, the outermost first."""
    frames: list[Any] = []

    def call(rest: list[tuple[str, str]]) -> None:
        if not rest:
            frame: Any = sys._getframe(1)
            for _ in modules:
                frames.insert(0, frame)
                frame = frame.f_back.f_back if frame.f_back else None
            return
        (file, name), *others = rest
        code = compile("def work(call, rest):\n    call(rest)\n", str(folder / file), "exec")
        names: dict[str, Any] = {"__name__": name}
        exec(code, names)
        names["work"](call, others)

    call(list(modules))
    return frames


@pytest.mark.parametrize(
    ("modules", "named"),
    [
        ([("bot.py", "bot"), ("site-packages/x.py", "x")], "bot.py"),
        ([("a.py", "a"), ("b.py", "b")], "b.py"),
        (
            [
                ("site-packages/nonebot/run.py", "nonebot.run"),
                ("site-packages/plugin/__init__.py", "plugin"),
                ("site-packages/requests.py", "requests"),
            ],
            "site-packages/plugin/__init__.py",
        ),
        ([("site-packages/aiohttp/web.py", "aiohttp.web")], "site-packages/aiohttp/web.py"),
    ],
)
def test_the_frame_that_tells_a_user_most_is_named(
    tmp_path: Path, modules: list[tuple[str, str]], named: str
) -> None:
    frame = blocked.users_frame(frames_of(tmp_path, *modules))
    assert frame.f_code.co_filename == str(tmp_path / named)
    assert blocked.describe_frame(frame) == f"{tmp_path / named}:2 in work"


def test_a_file_is_named_from_where_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (frame,) = frames_of(tmp_path, ("plugins/echo.py", "plugins.echo"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert blocked.describe_frame(frame) == f"{os.path.join('plugins', 'echo.py')}:2 in work"


# When it watches


@pytest.mark.parametrize(
    ("debug", "count"),
    [(True, 1), ("true", 1), (" On ", 1), (False, 0), (None, 0), ("false", 0), (object(), 0)],
)
def test_it_watches_with_debug_only(debug: Any, count: int) -> None:
    assert len(debug_watches(SimpleNamespace(debug=debug))) == count
    assert debug_watches(object()) == []
