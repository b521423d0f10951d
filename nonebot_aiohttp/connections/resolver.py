"""``SystemResolver``: names as the system resolves them, without waiting for each other."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from .proxies import is_loopback

MAX_LOOKUPS = 128
"""Names that are looked up at once: each takes a thread until the system has an answer."""

CACHE_TTL = 300
"""Seconds that a looked-up address is used again; aiohttp's own 10 make a look-up per API call."""

# As aiohttp's own resolvers have it: no addresses of a kind that no interface has.
_ONLY_CONFIGURED = getattr(socket, "AI_ADDRCONFIG", 0)

_Key = tuple[str, int]
Addresses = list[tuple[Any, ...]]


class SystemResolver(AbstractResolver):
    """Asks the system, and with it ``/etc/hosts``, mDNS and whatever else it knows.

    aiodns, which aiohttp takes where it is installed, knows DNS alone. Python's own pool of
    threads, which aiohttp takes otherwise, has a few that all share: a server for names that does
    not answer would hold them all. Here each name has a thread of its own while it is looked up.
    """

    def __init__(self) -> None:
        """Begin with no look-ups."""
        self._running: dict[_Key, asyncio.Future[Addresses]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up.

        Args:
            host: The name.
            port: Goes into the result as it is.
            family: Kind of addresses; ``AF_UNSPEC`` is any.

        Returns:
            The addresses; see ``aiohttp.abc.AbstractResolver``.

        Raises:
            OSError: The system does not know the name, or too many are being looked up.
        """
        key = host, int(family)
        lookup = self._running.get(key)
        if lookup is None:
            lookup = self._running[key] = self._start(key)
        # One who stops waiting does not take the answer away from the others.
        found = await asyncio.shield(lookup)
        return [_result(host, port, each) for each in found]

    async def close(self) -> None:
        """Do nothing: what is looked up ends by itself, and nobody waits for it."""

    def _forget(self, key: _Key, lookup: asyncio.Future[Addresses]) -> None:
        if self._running.get(key) is lookup:
            del self._running[key]

    def _start(self, key: _Key) -> asyncio.Future[Addresses]:
        if len(self._running) >= MAX_LOOKUPS:
            raise OSError(None, "too many names are being looked up: does the name server answer?")
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[Addresses] = loop.create_future()
        lookup.add_done_callback(lambda _: self._forget(key, lookup))

        def look_up() -> None:
            try:
                found: Any = addresses_of(*key)
            except (OSError, UnicodeError) as error:
                found = error
            with suppress(RuntimeError):
                # The event loop may have ended meanwhile.
                loop.call_soon_threadsafe(_end, lookup, found)

        # A daemon, for no process waits at its end for a server that does not answer.
        thread = threading.Thread(target=look_up, name=f"resolving {key[0]}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            lookup.cancel()
            raise OSError(None, f"no name can be looked up: {error}") from None
        return lookup


class Names:
    """Remembers for a while what names have meant, for those whom aiohttp does not connect."""

    def __init__(self, resolver: AbstractResolver) -> None:
        """Begin with nothing to remember.

        Args:
            resolver: Whom to ask.
        """
        self._resolver = resolver
        self._known: dict[str, tuple[float, list[str]]] = {}

    async def addresses(self, host: str) -> list[str]:
        """Find the addresses of a name.

        Args:
            host: The name, or an address, which is its own.

        Returns:
            At least one.

        Raises:
            OSError: The system does not know the name.
        """
        with suppress(ValueError):
            return [str(ip_address(host))]
        now = asyncio.get_running_loop().time()
        until, known = self._known.get(host, (now, []))
        if now >= until:
            found = await self._resolver.resolve(host, 0, socket.AF_UNSPEC)
            known = list(dict.fromkeys(each["host"] for each in found))
            self._known[host] = now + CACHE_TTL, known
        return known

    def forget(self, host: str) -> None:
        """Forget what a name has meant."""
        self._known.pop(host, None)


def addresses_of(host: str, family: int) -> Addresses:
    """Ask the system for the addresses of a name, and wait for its answer.

    Args:
        host: The name.
        family: Kind of addresses.

    Returns:
        What ``socket.getaddrinfo`` returns.

    Raises:
        OSError: The system does not know the name.
        UnicodeError: The text is not a valid name.
    """
    # Loopback is there without any network.
    flags = 0 if is_loopback(host) else _ONLY_CONFIGURED
    return list(socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, flags=flags))


def _result(host: str, port: int, found: tuple[Any, ...]) -> ResolveResult:
    family, _, protocol, _, address = found
    resolved = address[0]
    if family == socket.AF_INET6 and address[3]:
        # A link-local address means nothing without its interface (RFC 4007, section 11).
        resolved, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return ResolveResult(
        hostname=host,
        host=resolved,
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _end(lookup: asyncio.Future[Addresses], found: Addresses | Exception) -> None:
    if not isinstance(found, Exception):
        lookup.set_result(found)
        return
    # UnicodeError is for invalid names (RFC 3490); aiohttp expects OSError.
    lookup.set_exception(found if isinstance(found, OSError) else OSError(None, str(found)))
    # Nobody may wait any more.
    lookup.exception()
