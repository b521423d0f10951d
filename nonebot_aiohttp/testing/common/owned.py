"""What the kit itself has open in the process of tests, so that nobody takes it for a leak.

A platform runs in a thread of the same process. Its sockets come and go while a test runs, and
nothing but the kit can tell them from those of a driver that is served there.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")

_things: WeakSet[Any] = WeakSet()
_lock = threading.Lock()


def own(thing: T) -> T:
    """Note that a socket, a server, a session or a connector is the kit's; return it."""
    with _lock:
        _things.add(thing)
    return thing


def owned() -> set[int]:
    """Return the ids of what is the kit's, as far as it still exists."""
    return {id(thing) for thing in _list()}


def owned_sockets() -> tuple[set[int], set[Any]]:
    """Return the descriptors of the kit's sockets, and the addresses at which they are.

    What a listening socket has accepted has its address, too.
    """
    numbers, addresses = set(), set()
    for thing in _list():
        sockets = thing.sockets if isinstance(thing, asyncio.Server) else [thing]
        for each in sockets:
            # Another thread may close it now.
            with suppress(OSError):
                if hasattr(each, "getsockname") and each.fileno() >= 0:
                    numbers.add(each.fileno())
                    addresses.add(each.getsockname())
    return numbers, addresses


def _list() -> list[Any]:
    with _lock:
        return list(_things)


class OwnLoop(asyncio.SelectorEventLoop):
    """An event loop all of whose sockets are the kit's."""

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:
        """Listen, see asyncio."""
        server: asyncio.Server = await super().create_server(*args, **kwargs)
        return own(server)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect, see asyncio; asyncio and aiohttp open all connections by it."""
        own(sock)
        await super().sock_connect(sock, address)
