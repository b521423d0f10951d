"""``SystemResolver``: looks up hosts as the system does, each in a thread of its own."""

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
"""Hosts that are looked up at once; each takes a thread until the system has answered."""

CACHE_TTL = 300
"""Seconds that addresses are reused. aiohttp's own 10 would mean a look-up for each API call."""

# As aiohttp's own resolvers do: only address families that an interface has.
_ONLY_CONFIGURED = getattr(socket, "AI_ADDRCONFIG", 0)

_Key = tuple[str, int]
Addresses = list[tuple[Any, ...]]


class SystemResolver(AbstractResolver):
    """Asks the system, which knows ``/etc/hosts`` and mDNS too.

    aiodns, which aiohttp uses where it is installed, asks DNS only. Otherwise aiohttp uses the
    default thread pool of asyncio, all of whose few threads would wait for a name server that does
    not answer.
    """

    def __init__(self) -> None:
        self._running: dict[_Key, asyncio.Future[Addresses]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look up a host; see ``aiohttp.abc.AbstractResolver``.

        Raises:
            OSError: The system does not know the host, or too many hosts are being looked up.
        """
        key = host, int(family)
        lookup = self._running.get(key)
        if lookup is None:
            lookup = self._running[key] = self._start(key)
        # A caller that is cancelled must not cancel the look-up of the others.
        found = await asyncio.shield(lookup)
        return [_result(host, port, each) for each in found]

    async def close(self) -> None:
        """Do nothing: look-ups end by themselves, and nothing waits for them."""

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
                # The event loop may have closed in the meantime.
                loop.call_soon_threadsafe(_end, lookup, found)

        # A daemon, because the end of the process must not wait for a name server.
        thread = threading.Thread(target=look_up, name=f"resolving {key[0]}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            lookup.cancel()
            raise OSError(None, f"no name can be looked up: {error}") from None
        return lookup


class AddressCache:
    """Caches the addresses of SOCKS proxies, which aiohttp's own cache does not contain."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver
        self._known: dict[str, tuple[float, list[str]]] = {}

    async def addresses(self, host: str) -> list[str]:
        """Return the addresses of a host, at least one; an address is its own.

        Raises:
            OSError: The system does not know the host.
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
        """Forget the addresses of a host."""
        self._known.pop(host, None)


def addresses_of(host: str, family: int) -> Addresses:
    """Call ``socket.getaddrinfo``, which blocks; an invalid name raises ``UnicodeError``."""
    # The loopback interface exists without any network.
    flags = 0 if is_loopback(host) else _ONLY_CONFIGURED
    return list(socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, flags=flags))


def _result(host: str, port: int, found: tuple[Any, ...]) -> ResolveResult:
    family, _, protocol, _, address = found
    resolved = address[0]
    if family == socket.AF_INET6 and address[3]:
        # A link-local address needs its interface (RFC 4007, section 11).
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
    # A UnicodeError stands for an invalid name (RFC 3490); aiohttp expects an OSError.
    lookup.set_exception(found if isinstance(found, OSError) else OSError(None, str(found)))
    # Retrieved, so that asyncio does not log it if no caller waits any more.
    lookup.exception()
