"""``Leaks``: what has appeared on an event loop and in its process, and should be gone.

The kit itself has sockets open there, such as those of a platform. They do not count.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..common.opened import (
    copied,
    lists_descriptors,
    made_at,
    place_of,
    shown_address,
    socket_descriptors,
)
from ..common.owned import owned, owned_sockets

MOMENT = 2.0
"""Seconds for what was closed to be gone; they pass only if something is left."""

_TURNS = 20
"""Turns of the loop in which most of it goes, before the clock is looked at."""

_PAUSE = 0.01

_TIMER = getattr(signal, "SIGALRM", None)
"""The signal of pytest-timeout, which sets its handler during the test."""


class Leaks:
    """Tells what has appeared on the running loop, and in the process, since it was made."""

    def __init__(self) -> None:
        """Note the tasks of the running loop, and the clients and sockets of the process."""
        self._tasks = asyncio.all_tasks()
        self._before: set[Any] = {*open_clients(), *open_sockets()}

    async def found(self, moment: float | None = None) -> list[str]:
        """Describe what is left when it has had a moment to go; empty if all of it went.

        Args:
            moment: Seconds; None is `MOMENT`.
        """
        loop = asyncio.get_running_loop()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        end = loop.time() + (MOMENT if moment is None else moment)
        # Nothing tells when a task, a session or a socket is gone.
        while (left := self._now()) and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE)
        return left

    def _now(self) -> list[str]:
        tasks = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        things: dict[Any, str] = {**open_clients(), **open_sockets()}
        return [
            *sorted(describe_task(task) for task in tasks if not _runs_a_test(task)),
            *(text for key, text in things.items() if key not in self._before),
        ]


def _runs_a_test(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task is of anyio's plugin, which runs each step of a fixture in a new one."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and f"{os.sep}anyio{os.sep}_backends{os.sep}" in code.co_filename


def describe_task(task: asyncio.Task[Any]) -> str:
    """Name a task that still runs, and the line at which it stands."""
    coroutine: Any = task.get_coro()
    where = "".join(f", which stands at {place_of(frame)}" for frame in task.get_stack(limit=1))
    name = getattr(coroutine, "__qualname__", type(coroutine).__qualname__)
    return f"a task that still runs: {task.get_name()}, coroutine {name}{where}"


def open_clients() -> dict[int, str]:
    """Describe the sessions and connectors of aiohttp that are not closed, by their ids.

    A session is listed without its connector.
    """
    aiohttp = sys.modules.get("aiohttp")
    if aiohttp is None:
        return {}
    ours = owned()
    kinds = {*_family(aiohttp.ClientSession), *_family(aiohttp.BaseConnector)}
    # Not isinstance, which is slower, and has proxy objects run code that gives their class.
    found = [each for each in gc.get_objects() if id(type(each)) in kinds]
    left = [each for each in found if not each.closed and id(each) not in ours]
    of_sessions = {id(each.connector) for each in left if hasattr(each, "connector")}
    return {id(each): _describe_client(each) for each in left if id(each) not in of_sessions}


def _family(root: type) -> Iterator[int]:
    """Yield the ids of a class and of those that derive from it."""
    yield id(root)
    children: list[type] = root.__subclasses__()
    for derived in children:
        yield from _family(derived)


def _describe_client(client: Any) -> str:
    """Name a client, and where it was made."""
    return f"an aiohttp.{type(client).__name__} that nobody has closed{made_at(client)}"


def open_sockets() -> dict[tuple[int, int], str]:
    """Describe the sockets of the process that have an address, by descriptor and inode.

    Where descriptors are not listed, on Windows, psutil is asked; without it nothing is found.
    """
    if not lists_descriptors():
        return _from_psutil()
    numbers, addresses = owned_sockets()
    found = {}
    for number, inode in socket_descriptors():
        if number not in numbers:
            with suppress(OSError):
                address, text = _describe_socket(number)
                if address and address not in addresses:
                    found[number, inode] = text
    return found


def _from_psutil() -> dict[tuple[int, int], str]:
    if importlib.util.find_spec("psutil") is None:
        return {}
    psutil: Any = importlib.import_module("psutil")
    _, addresses = owned_sockets()
    places = {tuple(each.laddr) for each in psutil.Process().net_connections()} - addresses
    return {place: f"an open socket at {shown_address(place)}" for place in places}


def _describe_socket(number: int) -> tuple[Any, str]:
    """Return the address of a socket, which an event loop's own pair has not, and a text."""
    with copied(number) as copy:
        address = copy.getsockname()
        text = f"an open socket at {shown_address(address)}"
        with suppress(OSError):
            text += f", connected to {shown_address(copy.getpeername())}"
        return address, text


def signal_handlers() -> dict[str, object]:
    """Return what handles each signal of the process."""
    return {
        f"the handler of {number!r}": _handler(number)
        for number in signal.valid_signals()
        if number != _TIMER
    }


def _handler(number: int) -> object:
    # asyncio.Runner handles Ctrl+C by a partial function of the task that it runs, which is another
    # one before than after the yield of an async fixture.
    found = signal.getsignal(number)
    return found.func if isinstance(found, functools.partial) else found


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Describe what has changed."""
    return [
        f"{name} changed from {was!r} to {after[name]!r}"
        for name, was in before.items()
        if after[name] != was
    ]
