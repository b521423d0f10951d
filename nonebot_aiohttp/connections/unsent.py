"""``UnsentWatch``: connections whose peers take nothing of what was sent to them are dropped.

aiohttp has no timeout for writing, and whatever a peer sends counts as its sign of life. Without
this a peer who asks without end, and never reads an answer, holds memory for ever.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..life.watching import PeriodicWatch
from ..log import OnceInAWhile, logger
from ..options import DriverOptions
from .websocket import DriverWebSocket

LOOKS = 4
"""Looks within the shortest limit."""

FLOW_UNKNOWN = 4
"""Times the limit for a peer of whom only the unsent bytes tell what it takes."""

_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
_BYTES_ACKED = struct.Struct("=120xQ")  # tcpi_bytes_acked of Linux's struct tcp_info (tcp(7)).

_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

AT_ONCE = 1000
"""Connections that one look asks before it lets the others run."""


@dataclass(frozen=True)
class Watched:
    """A connection that is watched.

    Attributes:
        transport: Its transport.
        limit: Seconds within which something of what is unsent has to be taken.
        setting: Name of the setting that says so.
        drop: Drops the connection.
    """

    transport: Any
    limit: float
    setting: str
    drop: Callable[[], object]


@dataclass
class _Standing:
    """How the sending of a connection stood when it was last seen to move.

    Attributes:
        watched: The connection.
        acked: Bytes that the peer has acknowledged; None where the system does not tell.
        unsent: Bytes that wait in this process.
        since: When that was, on the monotonic clock.
    """

    watched: Watched
    acked: int | None
    unsent: int
    since: float


class UnsentWatch(PeriodicWatch):
    """Looks at all connections now and then.

    A connection counts as soon as something waits in this process. What moves is what the peer has
    acknowledged: the kernel takes bytes in large lots only, so that the bytes that wait here can
    stand still for a minute while a slow peer reads.
    """

    def __init__(self, options: DriverOptions, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without connections.

        Args:
            options: The driver's settings.
            clock: Monotonic seconds.
        """
        limits = options.keepalive_timeout, options.heartbeat or options.keepalive_timeout
        super().__init__(min(limits) / LOOKS, "unsent bytes")
        self._options = options
        self._clock = clock
        self._sources: list[Callable[[], Iterable[Watched]]] = []
        self._standings: dict[Any, _Standing] = {}
        self._lines = OnceInAWhile(clock=clock)

    def add_sockets(self, sockets: Iterable[DriverWebSocket]) -> None:
        """Watch WebSockets, which have as long as they have for the answer to a ping.

        Args:
            sockets: Those that are open; asked at each look.
        """
        limit, setting = self._options.heartbeat, "aiohttp_heartbeat"
        if limit is not None:
            reason = "the peer takes nothing of what is sent"
            self._sources.append(
                lambda: (
                    Watched(each.transport, limit, setting, partial(each.abort, reason))
                    for each in tuple(sockets)
                )
            )

    def add_connections(self, transports: Callable[[], Iterable[asyncio.Transport | None]]) -> None:
        """Watch connections of a server.

        Args:
            transports: Gives those that are open, at each look; None for one that has gone.
        """
        limit, setting = self._options.keepalive_timeout, "aiohttp_keepalive_timeout"
        self._sources.append(
            lambda: (
                Watched(each, limit, setting, each.abort)
                for each in transports()
                if each is not None
            )
        )

    def stop(self) -> None:
        """Look no more."""
        super().stop()
        now, left = self._clock(), tuple(self._standings.values())
        self._standings.clear()
        for each in left:
            # Its server has let go of it, and waits for ever for the rest to be taken.
            if each.watched.transport.is_closing() and now - each.since > self._interval:
                reset(each.watched.transport, each.watched.drop)

    async def look(self) -> None:
        """Drop who has taken nothing for too long."""
        former, self._standings = self._standings, {}
        for number, each in enumerate(self._watched(), 1):
            # One that becomes a WebSocket, or ends as one, may be listed twice.
            known = self._standings.get(each.transport)
            self._judge(each, former.pop(each.transport, known))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        # A server closes who is idle, and knows nothing any more of what it has still to send.
        for standing in former.values():
            self._judge(standing.watched, standing)

    def _watched(self) -> Iterator[Watched]:
        for source in self._sources:
            yield from source()

    def _judge(self, each: Watched, former: _Standing | None) -> None:
        unsent = unsent_of(each.transport)
        if not unsent:
            return
        now, acked = self._clock(), bytes_acked(each.transport)
        if former is None or has_moved(former, acked, unsent):
            former = _Standing(each, acked, unsent, now)
        limit = each.limit if acked is not None else FLOW_UNKNOWN * each.limit
        if now - former.since >= limit:
            self._drop(each, limit)
        else:
            former.unsent = unsent
            self._standings[each.transport] = former

    def _drop(self, each: Watched, limit: float) -> None:
        if self._lines.is_due(each.setting):
            peer = each.transport.get_extra_info("peername")
            logger.warning(
                "Dropped a connection of {}: it took nothing of what was sent for {:g} s ({})",
                peer[0] if isinstance(peer, tuple) else "a local peer",
                limit,
                each.setting,
            )
        reset(each.transport, each.drop)


def reset(transport: Any, drop: Callable[[], object]) -> None:
    """Drop a connection, and have the system forget what it has taken for the peer.

    Args:
        transport: The connection's transport.
        drop: Drops it.
    """
    connection = transport.get_extra_info("socket")
    # For a moment uvloop still shows the socket of one that has gone, and raises ValueError.
    with suppress(OSError, ValueError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    drop()


def unsent_of(transport: Any) -> int:
    """Ask how many bytes wait in this process.

    Args:
        transport: The transport, if there is one.

    Returns:
        The bytes; 0 for one that has gone, or that lost its protocol in the midst of TLS.
    """
    try:
        return int(transport.get_write_buffer_size())
    except AttributeError:
        return 0


def has_moved(former: _Standing, acked: int | None, unsent: int) -> bool:
    """Tell whether a peer has taken something since."""
    return unsent < former.unsent if acked is None else acked != former.acked


def bytes_acked(transport: Any) -> int | None:
    """Ask the system how much the peer has acknowledged.

    Args:
        transport: The connection's transport.

    Returns:
        The bytes so far; None where the system does not tell, such as of a Unix socket.
    """
    connection = transport.get_extra_info("socket")
    if _TCP_INFO is None or connection is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.size)
        return int(_BYTES_ACKED.unpack(info)[0])
    except (OSError, ValueError, struct.error):
        # A ValueError is uvloop's, for a connection that has just gone with something unsent.
        return None
