"""``Watch``: sees, in the process of a bot, what is left when its event loop has done its work."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.util
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CoroutineType, FrameType
from typing import Any

from ..common.opened import copied, made_at, place_of, shown_address, socket_descriptors
from .hosting import SAVE, measures_coverage
from .telling import send

LIBRARIES = (
    *("aiohttp", "aiohttp_socks", "fastapi", "gunicorn", "h11", "h2", "httpcore", "httpx"),
    *("hypercorn", "loguru", "nonebot", "nonebot_aiohttp", "python_socks", "quart", "sniffio"),
    *("starlette", "uvicorn", "uvloop", "websockets", "wsproto"),
)
"""Packages whose tasks are not the adapter's: NoneBot2, drivers, servers and clients."""

OF_AUTHORS = ("nonebot.adapters.", "nonebot.plugins.")
"""Modules of NoneBot2's namespace whose code is an adapter's or a plugin's."""

TURNS = 20
"""Turns of the loop for what has been asked to end: cancelled tasks, closed transports."""

SETTLING = 1.0
"""Seconds for closed connections to end, TLS ones too; only where some are still open."""

_PAUSE = 0.01


class Watch:
    """Reports once what is left as soon as the bot's main coroutine has ended.

    That is the moment after all shutdown hooks and before a runner cancels what still runs.
    """

    def __init__(self) -> None:
        """Remember the sockets that the process was given."""
        self._inherited = set(_sockets())
        self._has_driver = False
        self._shut_down = False
        self._reported = False
        self._signals: list[int] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._raise_signal: Callable[[int], None] = signal.raise_signal

    def begin(self) -> None:
        """See the ends of main coroutines from now on."""
        loops: list[Any] = [asyncio.BaseEventLoop]
        if importlib.util.find_spec("uvloop") is not None:
            import uvloop

            loops.append(uvloop.Loop)
        for loop in loops:
            loop.run_until_complete = self._watched(loop.run_until_complete)
        signal.raise_signal = self._raise_later
        if measures_coverage() and SAVE is not None:
            signal.signal(SAVE, _end_as_if_killed)

    def look_at(self, driver: Any) -> None:
        """Learn when a driver of NoneBot2 begins to shut down."""
        self._has_driver = True

        async def shut_down() -> None:
            self._shut_down = True

        driver.on_shutdown(shut_down)

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run_until_complete(loop: asyncio.AbstractEventLoop, future: Any) -> Any:
            if loop.is_running() or threading.current_thread() is not threading.main_thread():
                return original(loop, future)
            try:
                return original(loop, future)
            finally:
                self._main_has_ended(loop, original)

        return run_until_complete

    def _main_has_ended(self, loop: asyncio.AbstractEventLoop, run: Callable[..., Any]) -> None:
        # The look may take longer than they do, and the signals are raised behind it.
        for timer in self._timers:
            timer.cancel()
        is_the_end = self._shut_down or not self._has_driver
        if is_the_end and not self._reported and not loop.is_closed():
            self._reported = True
            send({"over": True})
            send({"left": list(run(loop, self._look()))})
        while self._signals:
            _save_coverage()
            self._raise_signal(self._signals.pop(0))

    def _raise_later(self, number: int) -> None:
        """Raise a signal that ends the process when the main coroutine has ended, not within it.

        uvicorn raises the signal that has stopped it again, as the last thing that it does.
        """
        loop = None
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
        if loop is None or signal.getsignal(number) is not signal.SIG_DFL:
            self._raise_signal(number)
            return
        self._signals.append(number)
        # A program may run its server beside other things, and go on.
        self._timers.append(loop.call_later(SETTLING, self._raise_signal, number))

    async def _look(self) -> list[str]:
        """Describe what is left on the running loop, and in the process."""
        gc.collect()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        tasks = [
            _describe_task(task, found)
            for task in asyncio.all_tasks()
            if (found := _authors_part(task)) is not None
        ]
        return [*tasks, *_open_sessions(), *await self._open_connections()]

    async def _open_connections(self) -> list[str]:
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLING
        # Nothing tells when a socket is closed, least of all one that nobody holds.
        while (found := self._new_sockets()) and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE)
        return found

    def _new_sockets(self) -> list[str]:
        return [text for key, text in _sockets().items() if key not in self._inherited]


def _authors_part(task: asyncio.Task[Any]) -> CoroutineType[Any, Any, Any] | None:
    """Return a task's coroutine if it is an adapter's or a plugin's, without what is around it."""
    coroutine: Any = task.get_coro()
    while isinstance(coroutine, CoroutineType) and coroutine.cr_frame is not None:
        name = str(coroutine.cr_frame.f_globals.get("__name__", ""))
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "anyio":
            is_theirs = top not in LIBRARIES or name.startswith(OF_AUTHORS)
            return coroutine if is_theirs else None
        coroutine = coroutine.cr_await  # Such as wait_for(), or a task group.
    return None


def _describe_task(task: asyncio.Task[Any], found: CoroutineType[Any, Any, Any]) -> str:
    frame: FrameType | None = found.cr_frame
    return (
        f"a task that still runs after all shutdown hooks: {task.get_name()}, coroutine"
        f" {found.__qualname__}, which stands at {'its end' if frame is None else place_of(frame)}"
    )


def _open_sessions() -> Iterator[str]:
    aiohttp = sys.modules.get("aiohttp")
    kind = getattr(aiohttp, "ClientSession", None)
    if kind is None:
        return
    for found in gc.get_objects():
        # Not isinstance, because a proxy object may run code when it is asked for its class.
        if issubclass(type(found), kind) and not found.closed:
            yield f"an aiohttp.ClientSession that nobody has closed{made_at(found)}"


def _sockets() -> dict[tuple[int, int], str]:
    """Describe the TCP sockets of the process; Windows does not list them."""
    found = {}
    for number, inode in socket_descriptors():
        with suppress(OSError):
            text = _describe_socket(number)
            if text is not None:
                found[number, inode] = text
    return found


def _describe_socket(number: int) -> str | None:
    with copied(number) as copy:
        if copy.family not in (socket.AF_INET, socket.AF_INET6):
            return None  # Such as the pair of each event loop.
        if copy.type != socket.SOCK_STREAM:
            return None  # Such as a resolver's.
        text = f"an open socket, {shown_address(copy.getsockname())}"
        with suppress(OSError):
            text += f" to {shown_address(copy.getpeername())}"
        return text


def _save_coverage() -> None:
    """Save what coverage has measured, because the process is about to end without a cleanup."""
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage is not None else None
    if current is not None:
        current.stop()
        current.save()


def _end_as_if_killed(number: int, frame: FrameType | None) -> None:
    """End without a cleanup, as by SIGKILL, but with what coverage has measured."""
    _save_coverage()
    os._exit(0)
