"""``UnsentWatch``: drops connections whose peers do not read what was sent to them.

aiohttp has no timeout for writing, and everything that a peer sends counts as a sign of life.
Without this watch a peer that sends requests and never reads an answer holds memory for ever.
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
from ..log import OnceInAWhile
from ..log.naming import about, peer_name
from ..log.own import logger
from ..options import DriverOptions
from .websocket import DriverWebSocket

LOOKS_PER_LIMIT = 4
"""How many times the watch looks within the shortest limit."""

UNKNOWN_FACTOR = 4
"""Factor of the limit where the system does not tell how much a peer has acknowledged."""

_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
_BYTES_ACKED = struct.Struct("=120xQ")  # tcpi_bytes_acked of Linux's struct tcp_info (tcp(7)).

_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

LOOK_BATCH = 250
"""Connections that one look checks before it yields to the event loop."""


@dataclass(frozen=True)
class Watched:
    """A connection that is watched.

    Attributes:
        limit: Seconds within which the peer has to read something.
        setting: The name of the setting that the limit comes from.
        drop: Drops the connection.
    """

    transport: Any
    limit: float
    setting: str
    drop: Callable[[], object]


@dataclass
class _Progress:
    """What was seen of a connection when its peer had last read something.

    Attributes:
        acked: Bytes that the peer has acknowledged; None where the system does not tell.
        unsent: Bytes that wait in this process.
        since: When that was, in monotonic seconds.
    """

    watched: Watched
    acked: int | None
    unsent: int
    since: float


class UnsentWatch(PeriodicWatch):
    """Looks at all connections at regular intervals.

    A connection is watched while bytes wait in this process. Its progress is what the peer has
    acknowledged. The number of waiting bytes can stay the same for a minute although a slow peer
    reads, because the kernel takes bytes only in large lots.
    """

    def __init__(self, options: DriverOptions, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the limits from the settings; the clock gives monotonic seconds."""
        limits = options.keepalive_timeout, options.heartbeat or options.keepalive_timeout
        super().__init__(min(limits) / LOOKS_PER_LIMIT, "unsent bytes")
        self._options = options
        self._clock = clock
        self._sources: list[Callable[[], Iterable[Watched]]] = []
        self._progress: dict[Any, _Progress] = {}
        self._lines = OnceInAWhile(clock=clock)

    def add_websockets(self, websockets: Iterable[DriverWebSocket]) -> None:
        """Watch the WebSockets that are open at each look; the limit is ``aiohttp_heartbeat``."""
        limit, setting = self._options.heartbeat, "aiohttp_heartbeat"
        if limit is not None:
            reason = "the peer reads nothing of what is sent"
            self._sources.append(
                lambda: (
                    Watched(each.transport, limit, setting, partial(each.abort, reason))
                    for each in tuple(websockets)
                )
            )

    def add_connections(self, transports: Callable[[], Iterable[asyncio.Transport | None]]) -> None:
        """Watch a server's connections, listed at each look; None stands for one that has gone."""
        limit, setting = self._options.keepalive_timeout, "aiohttp_keepalive_timeout"
        self._sources.append(
            lambda: (
                Watched(each, limit, setting, each.abort)
                for each in transports()
                if each is not None
            )
        )

    def stop(self) -> None:
        """Stop looking, and drop connections that the server has closed but that cannot end."""
        super().stop()
        now, left = self._clock(), tuple(self._progress.values())
        self._progress.clear()
        for each in left:
            # The server has closed it, and its transport waits for ever until the rest is read.
            if each.watched.transport.is_closing() and now - each.since > self._interval:
                reset(each.watched.transport, each.watched.drop)

    async def look(self) -> None:
        """Drop the connections whose peers have read nothing for too long."""
        former, self._progress = self._progress, {}
        for number, each in enumerate(self._watched(), 1):
            # A connection that becomes a WebSocket, or ends as one, may be listed twice.
            known = self._progress.get(each.transport)
            self._judge(each, former.pop(each.transport, known))
            if number % LOOK_BATCH == 0:
                await asyncio.sleep(0)
        # A server closes idle connections, and no longer lists what it still has to send.
        for progress in former.values():
            self._judge(progress.watched, progress)

    def _watched(self) -> Iterator[Watched]:
        for source in self._sources:
            yield from source()

    def _judge(self, each: Watched, former: _Progress | None) -> None:
        unsent = unsent_of(each.transport)
        if not unsent:
            return
        now, acked = self._clock(), bytes_acked(each.transport)
        if former is None or has_progressed(former, acked, unsent):
            former = _Progress(each, acked, unsent, now)
        limit = each.limit if acked is not None else UNKNOWN_FACTOR * each.limit
        if now - former.since >= limit:
            self._drop(each, limit)
        else:
            former.unsent = unsent
            self._progress[each.transport] = former

    def _drop(self, each: Watched, limit: float) -> None:
        if self._lines.is_due(each.setting):
            name = each.transport.get_extra_info("peername")
            peer = name[0] if isinstance(name, tuple) else ""
            text = "Dropped a connection of {}: it read nothing of what was sent for {:g} s ({})"
            logger.warning(text, peer_name(peer), limit, each.setting, **about(peer=peer))
        reset(each.transport, each.drop)


def reset(transport: Any, drop: Callable[[], object]) -> None:
    """Drop a connection, and make the system discard the bytes that it holds for the peer."""
    connection = transport.get_extra_info("socket")
    # uvloop shows the socket of a closed connection for a moment, and raises ValueError.
    with suppress(OSError, ValueError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    drop()


def unsent_of(transport: Any) -> int:
    """Return how many bytes wait in this process.

    The result is 0 for None, and for a transport that is closed: one of TLS has no protocol then.
    """
    try:
        return int(transport.get_write_buffer_size())
    except AttributeError:
        return 0


def has_progressed(former: _Progress, acked: int | None, unsent: int) -> bool:
    """Return whether the peer has read something since then."""
    return unsent < former.unsent if acked is None else acked != former.acked


def bytes_acked(transport: Any) -> int | None:
    """Ask the system how many bytes the peer has acknowledged so far.

    The result is None where the system does not tell: for a Unix socket, or outside of Linux.
    """
    connection = transport.get_extra_info("socket")
    if _TCP_INFO is None or connection is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.size)
        return int(_BYTES_ACKED.unpack(info)[0])
    except (OSError, ValueError, struct.error):
        # uvloop raises ValueError for a connection that has just gone with unsent bytes.
        return None
